import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bench } from '../../bench/lib/bench.ts';
import { parseOptions } from '../../bench/lib/options.ts';
import { restCall } from '../../bench/lib/requests.ts';
import { BURST, loopRound, PACED_STREAMS, pacedRound, pacedShape, verify } from '../../bench/lib/rounds.ts';
import { rpcCall } from '../../bench/lib/rpc-requests.ts';
import { bareConnect, floor, type RunningSystem } from '../../bench/systems/systems.ts';

const bench = new Bench(parseOptions(['--quick'])!, () => {});
let systems: RunningSystem[] = [];

beforeAll(async () => {
  await bench.start();
  systems = await bench.startSystems([floor, bareConnect]);
});

afterAll(async () => {
  await Promise.all([...systems.map((system) => system.stop()), bench.stop()]);
});

it('starts the systems without a remark', () => {
  expect(bench.notes).toEqual([]);
  expect(systems.map((system) => system.name)).toEqual(['floor', 'bare']);
});

it('measures unary calls, bursts and paced streams through the floor', async () => {
  const system = systems[0]!;
  const unary = restCall(system);
  await verify(bench, unary, false);
  expect((await loopRound(bench, system, unary, 1, 100, 0)).cpu).toBeGreaterThan(0);

  const stream = restCall({ ...system, stream: true });
  await verify(bench, stream, true);
  expect((await loopRound(bench, system, stream, BURST.chunks, 100, 0)).cpu).toBeGreaterThan(0);

  await bench.upstream.call('shape', pacedShape(100));
  const paced = await pacedRound(bench, system, stream, 100);
  expect(paced.cpu).toBeGreaterThan(0);
  // At most the pace, whatever the machine.
  expect(paced.rate).toBeLessThan(PACED_STREAMS * 100 * 1.5);
});

it('gives a system no more calls than the rate says', async () => {
  const system = systems[0]!;
  const { cpu, rate } = await loopRound(bench, system, restCall(system), 1, 300, 100);
  expect(cpu).toBeGreaterThan(0);
  expect(rate).toBeGreaterThan(0);
  expect(rate).toBeLessThan(110);
  const stream = restCall({ ...system, stream: true });
  await bench.upstream.call('shape', BURST);
  const chunks = await loopRound(bench, system, stream, BURST.chunks, 300, 2_000);
  expect(chunks.rate).toBeLessThan(2_000 + 4 * BURST.chunks);
});

it.each(['connect-json', 'connect-binary', 'grpc'] as const)(
  'measures %s through bare handlers',
  async (protocol) => {
    const system = systems[1]!;
    for (const stream of [false, true]) {
      const call = rpcCall(system, protocol, stream);
      await verify(bench, call, stream);
      expect((await loopRound(bench, system, call, 1, 100, 0)).cpu).toBeGreaterThan(0);
    }
    // A busy machine may not keep the pace of the round before; nothing else may be noted.
    expect(bench.notes.filter((note) => !note.includes('of the pace'))).toEqual([]);
  },
);

it('says what a system answers wrongly', async () => {
  const call = { ...restCall(systems[0]!), port: systems[1]!.port, mustEndWith: '[DONE]' };
  await expect(verify(bench, call, false)).rejects.toThrow('no [DONE]');
});
