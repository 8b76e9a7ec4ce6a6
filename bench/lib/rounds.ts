// One round: load on one system, and the CPU time that it took for it.

import { setTimeout as delay } from 'node:timers/promises';
import type { Call } from '../load/types.ts';
import type { RunningSystem } from '../systems/systems.ts';
import type { StreamShape } from '../upstream/server.ts';
import type { Bench } from './bench.ts';
import { countMarkers } from './marker.ts';

export interface RoundResult {
  /** CPU time per unit in microseconds. */
  cpu: number;
  /** Units per second. */
  rate: number;
}

/** Calls in flight at full load. */
export const CONCURRENCY = 32;
export const BURST: StreamShape = { chunks: 100, delayMs: 0 };
export const PACED_STREAMS = 48;
export const PACED_DELAY_MS = 10;
/** Streams that just opened are not yet evenly paced. */
const SETTLE_MS = 150;
/** How long abandoned streams may take to end upstream, in milliseconds. */
const IDLE_TIMEOUT_MS = 6000;
/** Part of the calls that may fail before a round is not counted. */
const FAILURE_LIMIT = 0.01;

const nothing: RoundResult = { cpu: Number.NaN, rate: Number.NaN };

/** Throws with the reason when the system does not answer this call as it should. */
export async function verify(bench: Bench, call: Call, stream: boolean): Promise<void> {
  await bench.upstream.call('shape', BURST);
  const { status, body } = await bench.load.call('once', call);
  const reply = Buffer.from(body);
  if (status !== 200) throw new Error(`status ${status}: ${reply.toString('latin1').slice(-300)}`);
  if (call.h2 && !reply.includes('\ngrpc-status: 0')) throw new Error(reply.toString('latin1').slice(-200));
  if (call.mustEndWith && !reply.includes(call.mustEndWith)) throw new Error(`no ${call.mustEndWith}`);
  if (call.mustNotEndWith && reply.includes(call.mustNotEndWith))
    throw new Error(reply.toString('latin1').slice(-300));
  const expected = stream ? BURST.chunks : 0;
  if (countMarkers(reply) !== expected)
    throw new Error(`${countMarkers(reply)} of ${expected} chunks arrived`);
}

/** Calls at a rate, in units per second; 0: as many as the system can answer. */
export async function loopRound(
  bench: Bench,
  system: RunningSystem,
  call: Call,
  unitsPerCall: number,
  durationMs: number,
  rate: number,
): Promise<RoundResult> {
  const before = await system.probe.call('cpu', null);
  const load = await bench.load.call('loop', {
    call,
    concurrency: CONCURRENCY,
    durationMs,
    rate: rate / unitsPerCall,
  });
  const after = await system.probe.call('cpu', null);
  const units = load.done * unitsPerCall;
  if (load.failed > load.done * FAILURE_LIMIT) {
    bench.note(`${system.name}: ${load.failed} of ${load.failed + load.done} calls of a round failed`);
    return nothing;
  }
  return { cpu: (after - before) / units, rate: (units / load.elapsedMs) * 1000 };
}

/** Many streams at once, each with a chunk every few milliseconds; only chunks are counted, not their beginning. */
export async function pacedRound(
  bench: Bench,
  system: RunningSystem,
  call: Call,
  durationMs: number,
): Promise<RoundResult> {
  const open = await bench.load.call('hold', { call, streams: PACED_STREAMS });
  if (open < PACED_STREAMS) bench.note(`${system.name}: ${open} of ${PACED_STREAMS} paced streams opened`);
  await delay(SETTLE_MS);
  const started = performance.now();
  const before = await sample(bench, system);
  await delay(durationMs);
  const after = await sample(bench, system);
  const elapsedMs = performance.now() - started;
  await bench.load.call('release', null);
  await upstreamIdle(bench);
  const chunks = after.chunks - before.chunks;
  const share = chunks / ((PACED_STREAMS * elapsedMs) / PACED_DELAY_MS);
  if (share < 0.9) bench.note(`${system.name} kept only ${Math.round(share * 100)} % of the pace of a round`);
  return { cpu: (after.cpu - before.cpu) / chunks, rate: (chunks / elapsedMs) * 1000 };
}

/** Streams that outlast a round, but not for long where leaving them does not stop the upstream. */
export function pacedShape(durationMs: number): StreamShape {
  return { chunks: Math.ceil((durationMs + SETTLE_MS + 1000) / PACED_DELAY_MS), delayMs: PACED_DELAY_MS };
}

async function sample(bench: Bench, system: RunningSystem): Promise<{ cpu: number; chunks: number }> {
  const [cpu, chunks] = await Promise.all([
    system.probe.call('cpu', null),
    bench.load.call('delivered', null),
  ]);
  return { cpu, chunks };
}

/** What a round leaves behind must not burden the next one. */
export async function upstreamIdle(bench: Bench): Promise<void> {
  const deadline = Date.now() + IDLE_TIMEOUT_MS;
  while ((await bench.upstream.call('stats', null)).openStreams > 0) {
    if (Date.now() > deadline) {
      bench.note('streams of a round were still open upstream when the next one began');
      return;
    }
    await delay(10);
  }
}
