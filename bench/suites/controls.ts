// What keys, limits, cache, cost, metrics and budgets cost together, beside the gateway without them.

import type { Bench } from '../lib/bench.ts';
import { runCases } from '../lib/interleave.ts';
import { restCall } from '../lib/requests.ts';
import type { CaseResult } from '../lib/results.ts';
import { controlled, uncontrolled } from '../systems/systems.ts';

export function runControls(bench: Bench): Promise<CaseResult[]> {
  return runCases(
    bench,
    [uncontrolled, controlled],
    [
      {
        systems: [uncontrolled.name, controlled.name],
        reference: uncontrolled.name,
        id: 'controls/unary',
        title: 'Unary, no two calls the same, with all controls and without',
        unit: 'request',
        kind: 'unary',
        call: (system) => restCall({ ...system, varied: true }),
      },
    ],
  );
}
