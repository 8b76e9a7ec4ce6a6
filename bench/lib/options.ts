// The command line.

import { parseArgs } from 'node:util';

export const SUITES = ['rest', 'translated', 'controls', 'rpc', 'latency', 'memory'] as const;
export type Suite = (typeof SUITES)[number];

export interface Options {
  /** What to measure: suites, or cases of theirs by the beginning of their name. */
  only: string[];
  quick: boolean;
  check: boolean;
  /** Times that the systems are started anew, so that the luck of one start does not decide. */
  starts: number;
  /** Rounds of each case after every start. */
  rounds: number;
  /** Length of a round at full load, in milliseconds. */
  roundMs: number;
  /** Load before the first round of the first case after a start, in milliseconds: until the code is compiled. */
  startWarmMs: number;
  /** Load before the first round of every other case, in milliseconds. */
  warmMs: number;
  /** Length of a round of paced streams, in milliseconds. */
  pacedMs: number;
  latencySamples: number;
  memoryStreams: number;
  /** No case begins after this time, in seconds. */
  budget: number;
}

const FULL = {
  starts: 2,
  rounds: 4,
  roundMs: 500,
  startWarmMs: 12000,
  warmMs: 600,
  pacedMs: 800,
  latencySamples: 250,
  memoryStreams: 800,
};
const QUICK = {
  starts: 1,
  rounds: 3,
  roundMs: 200,
  startWarmMs: 800,
  warmMs: 300,
  pacedMs: 280,
  latencySamples: 50,
  memoryStreams: 200,
};

export const USAGE = `Usage: node bench/main.ts [options]

  --only <names>   comma-separated: ${SUITES.join(', ')}, or cases such as rest/unary
  --quick          a minute instead of seven; intervals are wide
  --rounds <n>     rounds of each case after every start (default ${FULL.rounds}, quick ${QUICK.rounds})
  --starts <n>     times that the systems are started anew (default ${FULL.starts}, quick ${QUICK.starts})
  --budget <s>     seconds after which no case begins (default 420, quick 60)
  --check          exit code 1 when a target is missed
  --help`;

/** Throws with a message for people. Gives undefined when help is asked for. */
export function parseOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      starts: { type: 'string' },
      budget: { type: 'string' },
    },
  });
  if (values.help) return undefined;
  const defaults = values.quick ? QUICK : FULL;
  const only = values.only?.split(',').filter((name) => name !== '') ?? [...SUITES];
  for (const name of only) {
    const suite = name.split('/')[0];
    if (!SUITES.some((known) => known === suite)) throw new Error(`--only ${name}: no such suite`);
  }
  return {
    ...defaults,
    only,
    quick: values.quick,
    check: values.check,
    rounds: count('rounds', values.rounds, defaults.rounds, 100),
    starts: count('starts', values.starts, defaults.starts, 20),
    budget: count('budget', values.budget, values.quick ? 60 : 420, 86_400),
  };
}

function count(name: string, text: string | undefined, fallback: number, most: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most)
    throw new Error(`--${name} ${text}: 1 to ${most}`);
  return value;
}

/** Whether a case (or a whole suite) was asked for. */
export function wants(options: Options, id: string): boolean {
  return options.only.some((name) => id === name || id.startsWith(`${name}/`) || name.startsWith(`${id}/`));
}
