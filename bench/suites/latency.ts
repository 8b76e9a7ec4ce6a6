// First-byte latency that each system adds to the upstream's own, one call at a time.

import type { Bench } from '../lib/bench.ts';
import { MARKER } from '../lib/marker.ts';
import { wants } from '../lib/options.ts';
import { restCall } from '../lib/requests.ts';
import type { LatencyResult } from '../lib/results.ts';
import { verify } from '../lib/rounds.ts';
import { rpcCall } from '../lib/rpc-requests.ts';
import type { Call } from '../load/types.ts';
import { bareConnect, floor, gateway, portkey } from '../systems/systems.ts';

/** A short stream: the first token at once, the end a moment later. */
const SHAPE = { chunks: 1, delayMs: 1 };
/** Pause between calls, in milliseconds: the machine is idle, as with few users. */
const GAP_MS = 1;
/** Samples before those that count. */
const WARM_SAMPLES = 30;
const SAMPLE_TIMEOUT_MS = 60_000;

interface Contender {
  system: string;
  call: Call;
}

export async function runLatency(bench: Bench): Promise<LatencyResult[]> {
  if (bench.outOfTime) {
    bench.note('out of time: latency was not measured');
    return [];
  }
  const running = await bench.startSystems([floor, gateway, portkey, bareConnect]);
  try {
    const direct = { port: bench.upstreamPort, model: 'gpt-4o-mini' };
    const rest = running.filter((system) => system.name !== bareConnect.name);
    const rpc = running.filter((system) => system.name === gateway.name || system.name === bareConnect.name);
    const contenders = (stream: boolean): Contender[] => [
      { system: 'direct', call: restCall({ ...direct, stream }) },
      ...rest.map((system) => ({ system: system.name, call: restCall({ ...system, stream }) })),
    ];
    const overConnect = [
      { system: 'direct', call: restCall({ ...direct, stream: true }) },
      ...rpc.map((system) => ({ system: system.name, call: rpcCall(system, 'connect-json', true) })),
    ];
    return [
      await measure(bench, 'latency/stream', 'REST stream: time to the first token', contenders(true), true),
      await measure(bench, 'latency/unary', 'REST unary: time to the reply', contenders(false), false),
      await measure(
        bench,
        'latency/connect',
        'Connect (JSON) stream: time to the first token',
        overConnect,
        true,
      ),
    ].filter((result) => result.rows.length > 0);
  } finally {
    await Promise.all(running.map((system) => system.stop()));
  }
}

async function measure(
  bench: Bench,
  id: string,
  title: string,
  contenders: Contender[],
  stream: boolean,
): Promise<LatencyResult> {
  const result: LatencyResult = { id, title, rows: [] };
  if (!wants(bench.options, id)) return result;
  bench.log(id);
  const good: Contender[] = [];
  for (const contender of contenders) {
    try {
      await verify(bench, contender.call, stream);
      good.push(contender);
    } catch (error) {
      bench.note(`${contender.system} does not answer ${id} rightly: ${(error as Error).message}`);
    }
  }
  await bench.upstream.call('shape', SHAPE);
  // The text of the first token; the completion's id where nothing is streamed.
  const firstBytes = stream ? MARKER : 'chatcmpl-';
  const params = { calls: good.map(({ call }) => call), firstBytes, gapMs: GAP_MS };
  await bench.load.call('latency', { ...params, samples: WARM_SAMPLES }, SAMPLE_TIMEOUT_MS);
  const samples = await bench.load.call(
    'latency',
    { ...params, samples: bench.options.latencySamples },
    SAMPLE_TIMEOUT_MS,
  );
  for (const [i, { system }] of good.entries()) result.rows.push({ system, samples: samples[i]! });
  return result;
}
