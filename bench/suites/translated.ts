// OpenAI's API in front of providers with another one of their own.

import type { Bench } from '../lib/bench.ts';
import { type Case, runCases } from '../lib/interleave.ts';
import { restCall } from '../lib/requests.ts';
import type { CaseResult } from '../lib/results.ts';
import { floor, gateway, type RunningSystem } from '../systems/systems.ts';

export function runTranslated(bench: Bench): Promise<CaseResult[]> {
  return runCases(
    bench,
    [floor, gateway],
    [
      ...translated('anthropic', "Anthropic's messages", 'anthropic/claude-sonnet-4-5'),
      ...translated('gemini', "Gemini's generateContent", 'google/gemini-2.5-flash'),
    ],
  );
}

/** The same calls by the gateway to a provider of another API; the floor stays what it is. */
function translated(api: string, title: string, model: string): Case[] {
  const pair = { systems: [floor.name, gateway.name], reference: floor.name };
  const modelOf = (system: RunningSystem) => (system.name === gateway.name ? model : system.model);
  return [
    {
      ...pair,
      id: `translated/${api}/unary`,
      title: `Unary, to ${title}`,
      unit: 'request',
      kind: 'unary',
      call: (system) => restCall({ ...system, model: modelOf(system) }),
    },
    {
      ...pair,
      id: `translated/${api}/burst`,
      title: `Stream of 100 chunks in one burst, from ${title}`,
      unit: 'chunk',
      kind: 'burst',
      call: (system) => restCall({ ...system, model: modelOf(system), stream: true }),
    },
  ];
}
