// What the gateway promises, and whether a run kept it.

import type { CaseResult } from './results.ts';
import { RPC_PROTOCOLS } from './rpc-requests.ts';
import { type Interval, pairedRatio } from './statistics.ts';

export interface Target {
  caseId: string;
  title: string;
  /** What keeps it. Default: the gateway. */
  system?: string;
  reference: string;
  /** Most that the gateway may cost, as a multiple of the reference. */
  limit: number;
}

export interface Verdict {
  target: Target;
  /** Undefined when it was not measured. */
  ratio: Interval | undefined;
  state: 'met' | 'met within noise' | 'missed within noise' | 'missed' | 'not measured';
}

export const TARGETS: readonly Target[] = [
  { caseId: 'rest/unary', title: 'REST, unary', reference: 'floor', limit: 1.8 },
  { caseId: 'rest/burst', title: 'REST, stream of 100 chunks in one burst', reference: 'floor', limit: 1.6 },
  { caseId: 'rest/paced', title: 'REST, paced chunk', reference: 'floor', limit: 1.3 },
  { caseId: 'rest/peer', title: 'REST, unary, at full load', reference: 'portkey', limit: 0.2 },
  ...['anthropic', 'gemini'].flatMap((api) => [
    { caseId: `translated/${api}/unary`, title: `REST to ${api}, unary`, reference: 'floor', limit: 2.2 },
    { caseId: `translated/${api}/burst`, title: `REST from ${api}, burst`, reference: 'floor', limit: 2 },
  ]),
  {
    caseId: 'controls/unary',
    title: 'REST, unary, with all controls',
    system: 'controlled',
    reference: 'uncontrolled',
    limit: 1.6,
  },
  ...RPC_PROTOCOLS.flatMap((protocol) =>
    ['unary', 'burst', 'paced'].map((kind) => ({
      caseId: `rpc/${protocol}/${kind}`,
      title: `${protocol}, ${kind === 'unary' ? 'unary' : `message of a ${kind} stream`}`,
      reference: 'bare',
      limit: 1.5,
    })),
  ),
];

/** Ratio of two systems of a case; undefined without a common round. */
export function ratioOf(result: CaseResult, system: string, reference: string): Interval | undefined {
  const values = (name: string): number[] => result.rows.find((row) => row.system === name)?.values ?? [];
  const ratio = pairedRatio(values(system), values(reference));
  return Number.isNaN(ratio.estimate) ? undefined : ratio;
}

/** Verdicts on the targets whose case was run. */
export function judge(cases: readonly CaseResult[]): Verdict[] {
  return TARGETS.flatMap((target): Verdict[] => {
    const result = cases.find((one) => one.id === target.caseId);
    if (!result) return [];
    const ratio = ratioOf(result, target.system ?? 'gateway', target.reference);
    return [{ target, ratio, state: stateOf(ratio, target.limit) }];
  });
}

function stateOf(ratio: Interval | undefined, limit: number): Verdict['state'] {
  if (!ratio) return 'not measured';
  if (ratio.estimate <= limit) return ratio.high <= limit ? 'met' : 'met within noise';
  return ratio.low > limit ? 'missed' : 'missed within noise';
}

/** Whether `--check` fails. A target without its peer is no failure; a gateway that could not be measured is one. */
export function failed(verdicts: readonly Verdict[], cases: readonly CaseResult[]): boolean {
  return verdicts.some(({ target, state }) => {
    if (state !== 'not measured') return state.startsWith('missed');
    const row = cases
      .find((one) => one.id === target.caseId)
      ?.rows.find(({ system }) => system === (target.system ?? 'gateway'));
    return !row?.values.some((value) => Number.isFinite(value));
  });
}
