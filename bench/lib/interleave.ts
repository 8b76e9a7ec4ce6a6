// Rounds of several systems in turn: A B C, B C A, … so that noise meets all of them alike.

import type { Call } from '../load/types.ts';
import type { RunningSystem, System } from '../systems/systems.ts';
import type { Bench } from './bench.ts';
import { wants } from './options.ts';
import type { CaseResult, CaseRow } from './results.ts';
import { BURST, loopRound, pacedRound, pacedShape, type RoundResult, verify } from './rounds.ts';

/** Part of what the slowest system of a case can do that all of them get. */
const EVEN_SHARE = 0.6;

export interface Case {
  id: string;
  title: string;
  unit: string;
  kind: 'unary' | 'burst' | 'paced';
  /** Every system gets as many calls as it can answer, not all the same. */
  fullLoad?: boolean;
  /** Names of the systems that take part. */
  systems: string[];
  reference: string;
  call: (system: RunningSystem) => Call;
  /** Systems that take part for information only: in half of the rounds, and not with --quick. */
  extras?: string[];
  /** The whole case is for information: half of the rounds, and none with --quick. */
  info?: boolean;
}

/** Measures every case that was asked for; all systems of all cases are started together, `starts` times. */
export async function runCases(
  bench: Bench,
  systems: readonly System[],
  cases: readonly Case[],
): Promise<CaseResult[]> {
  const { quick } = bench.options;
  const wanted = cases
    .filter((one) => wants(bench.options, one.id) && !(quick && one.info))
    .map((one) => (quick ? { ...one, extras: [] } : one));
  const results = wanted.map((one): CaseResult => {
    const { id, title, unit, reference } = one;
    const rows = participants(one).map((system): CaseRow => ({ system, values: [], rates: [] }));
    return { id, title, unit, reference, rows };
  });
  const names = new Set(wanted.flatMap(participants));
  for (let start = 0; start < bench.options.starts && wanted.length > 0; start++) {
    const running = await bench.startSystems(systems.filter((system) => names.has(system.name)));
    try {
      let warmMs = bench.options.startWarmMs;
      for (const [i, one] of wanted.entries()) {
        if (bench.outOfTime) {
          bench.note(`out of time: ${one.id} was left out in start ${start + 1}`);
          continue;
        }
        bench.log(`${one.id} (start ${start + 1} of ${bench.options.starts})`);
        await runCase(bench, one, running, warmMs, results[i]!);
        warmMs = bench.options.warmMs;
      }
    } finally {
      await Promise.all(running.map((system) => system.stop()));
    }
  }
  return results;
}

function participants(one: Case): string[] {
  return [...one.systems, ...(one.extras ?? [])];
}

async function runCase(
  bench: Bench,
  one: Case,
  running: RunningSystem[],
  warmMs: number,
  result: CaseResult,
): Promise<void> {
  const systems = running.filter((system) => participants(one).includes(system.name));
  const contenders = await verified(bench, one, systems);
  const paced = one.kind === 'paced';
  const half = Math.ceil(bench.options.rounds / 2);
  await bench.upstream.call('shape', paced ? pacedShape(bench.options.pacedMs) : BURST);
  // Long paced streams warm little; the bursts of an earlier case have done that.
  for (const system of contenders) await round(bench, one, system, paced ? warmMs / 2 : warmMs, 0);
  const rate = one.fullLoad || paced ? 0 : await evenRate(bench, one, contenders, result);
  for (let i = 0; i < (one.info ? half : bench.options.rounds); i++) {
    const taking = contenders.filter(({ name }) => i < half || !one.extras?.includes(name));
    const order = [...taking.slice(i % taking.length), ...taking.slice(0, i % taking.length)];
    const durationMs = paced ? bench.options.pacedMs : bench.options.roundMs;
    const values = new Map<string, RoundResult>();
    for (const system of order) values.set(system.name, await round(bench, one, system, durationMs, rate));
    // A system that did not run still has a value for the round, so that rounds stay paired.
    for (const row of result.rows) {
      row.values.push(values.get(row.system)?.cpu ?? Number.NaN);
      if (rate === 0) row.rates.push(values.get(row.system)?.rate ?? Number.NaN);
    }
  }
}

/** Units per second that all systems can do without haste, and for the report how many each can do. */
async function evenRate(
  bench: Bench,
  one: Case,
  contenders: RunningSystem[],
  result: CaseResult,
): Promise<number> {
  const most: number[] = [];
  for (const system of contenders) {
    const { rate } = await round(bench, one, system, bench.options.roundMs, 0);
    result.rows.find((row) => row.system === system.name)?.rates.push(rate);
    if (Number.isFinite(rate)) most.push(rate);
  }
  return most.length === 0 ? 0 : Math.min(...most) * EVEN_SHARE;
}

function round(
  bench: Bench,
  one: Case,
  system: RunningSystem,
  durationMs: number,
  rate: number,
): Promise<RoundResult> {
  const call = one.call(system);
  if (one.kind === 'paced') return pacedRound(bench, system, call, durationMs);
  return loopRound(bench, system, call, one.kind === 'burst' ? BURST.chunks : 1, durationMs, rate);
}

async function verified(bench: Bench, one: Case, systems: RunningSystem[]): Promise<RunningSystem[]> {
  const good: RunningSystem[] = [];
  for (const system of systems) {
    try {
      await verify(bench, one.call(system), one.kind !== 'unary');
      good.push(system);
    } catch (error) {
      bench.note(`${system.name} does not answer ${one.id} rightly: ${(error as Error).message}`);
    }
  }
  return good;
}
