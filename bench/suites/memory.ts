// Memory that an open, slow stream takes: the difference between few and many of them.

import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from '../lib/bench.ts';
import { restCall } from '../lib/requests.ts';
import type { MemoryResult, MemoryRow } from '../lib/results.ts';
import { verify } from '../lib/rounds.ts';
import type { HoldParams } from '../load/types.ts';
import type { Memory } from '../systems/probe.ts';
import { floor, gateway, portkey, type RunningSystem, type System } from '../systems/systems.ts';

const SLOW = { chunks: 1000, delayMs: 500 };
/** The first streams pay for code and pools; they are the baseline. */
const BASE_STREAMS = 50;
/** Every stream has had a few chunks by then. */
const SETTLE_MS = 800;

export async function runMemory(bench: Bench): Promise<MemoryResult> {
  const result: MemoryResult = { rows: [] };
  for (const system of [floor, gateway, portkey]) {
    if (bench.outOfTime) {
      bench.note(`out of time: memory of ${system.name} was not measured`);
      continue;
    }
    bench.log(`memory of ${system.name}`);
    const row = await measureFresh(bench, system, bench.options.memoryStreams);
    if (row !== undefined) result.rows.push(row);
  }
  return result;
}

/** Undefined: it could not be started, or did not hold the streams. */
async function measureFresh(bench: Bench, system: System, streams: number): Promise<MemoryRow | undefined> {
  const [running] = await bench.startSystems([system]);
  if (!running) return undefined;
  try {
    return await measure(bench, running, streams);
  } catch (error) {
    bench.note(`memory of ${system.name} with ${streams} streams: ${(error as Error).message}`);
    return undefined;
  } finally {
    await bench.load.call('release', null);
    await running.stop();
  }
}

async function measure(bench: Bench, system: RunningSystem, streams: number): Promise<MemoryRow> {
  const call = restCall({ ...system, stream: true });
  await verify(bench, call, true);
  await bench.upstream.call('shape', SLOW);
  const before = await memoryWith(bench, system, { call, streams: BASE_STREAMS });
  const after = await memoryWith(bench, system, { call, streams });
  return {
    system: system.name,
    streams,
    rss: (after.rss - before.rss) / streams,
    used: (after.used - before.used) / streams,
  };
}

async function memoryWith(bench: Bench, system: RunningSystem, more: HoldParams): Promise<Memory> {
  const open = await bench.load.call('hold', more);
  if (open < more.streams) throw new Error(`${open} of ${more.streams} streams opened`);
  await delay(SETTLE_MS);
  return system.probe.call('memory', null);
}
