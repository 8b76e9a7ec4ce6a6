import { readFields } from './fields.ts';
import { isMap } from './file.ts';
import type { Problems } from './problems.ts';
import { hedgeDelay } from './settings/resilience.ts';
import { flag, list, oneOf, text, type ValueReader, Wrong } from './values.ts';

/** One model name behind which there are several deployments. */
export interface DeploymentGroup {
  /** The name that clients ask for. */
  readonly name: string;
  readonly routing: (typeof routings)[number];
  readonly sticky: boolean;
  readonly hedge?: 'off' | 'p95' | number;
  readonly members: readonly DeploymentMember[];
}

export interface DeploymentMember {
  /** A name that leads to a provider's model: `azure-eu/gpt-4o`. */
  readonly model: string;
  readonly weight: number;
}

/** Names of models that stand in, by the name that was asked for. */
export type Fallbacks = ReadonlyMap<string, readonly string[]>;

const routings = ['order', 'weighted', 'least_latency', 'least_busy', 'cheapest'] as const;
const maxGroups = 1_000;
const maxMembers = 64;
const maxFallbacks = 16;

const weight: ValueReader<number> = (raw) =>
  typeof raw === 'number' && raw > 0 && raw <= 1e6 ? raw : new Wrong('a number above 0, at most 1000000');

const members: ValueReader<readonly unknown[]> = (raw) =>
  Array.isArray(raw) && raw.length >= 1 && raw.length <= maxMembers
    ? raw
    : new Wrong(`a list of 1 to ${maxMembers} models`);

const groupFields = { routing: oneOf(routings), sticky: flag, hedge: hedgeDelay, models: members } as const;
const memberFields = { model: text, weight } as const;

/** @param given what `deployments` is in the file */
export function readDeployments(given: unknown, problems: Problems): DeploymentGroup[] {
  return entriesOf('deployments', given, problems).flatMap(([name, raw]) => {
    const place = `deployments.${name}`;
    const fields = readFields(place, raw, groupFields, problems);
    if (fields === null) return [];
    if (fields.models === undefined) {
      if (isMap(raw) && raw['models'] === undefined) problems.add(`${place}.models: is missing`);
      return [];
    }
    const { routing = 'order', sticky = false, hedge } = fields;
    const read = fields.models.flatMap((one, i) => readMember(`${place}.models[${i}]`, one, problems));
    return [{ name, routing, sticky, ...(hedge === undefined ? {} : { hedge }), members: read }];
  });
}

function readMember(place: string, raw: unknown, problems: Problems): DeploymentMember[] {
  if (typeof raw === 'string' && raw.trim() !== '') return [{ model: raw.trim(), weight: 1 }];
  const fields = readFields(place, raw, memberFields, problems);
  if (fields === null) return [];
  if (fields.model === undefined) problems.add(`${place}.model: is missing`);
  return fields.model === undefined ? [] : [{ model: fields.model, weight: fields.weight ?? 1 }];
}

/** @param part name of the part of the file: `fallbacks`, `context_fallbacks` */
export function readFallbacks(part: string, given: unknown, problems: Problems): Fallbacks {
  const fallbacks = new Map<string, readonly string[]>();
  for (const [name, raw] of entriesOf(part, given, problems)) {
    const names = list(raw);
    if (names instanceof Wrong || names.length > maxFallbacks) {
      problems.wrong(`${part}.${name}`, raw, `a list of at most ${maxFallbacks} models`);
    } else fallbacks.set(name, names);
  }
  return fallbacks;
}

function entriesOf(part: string, given: unknown, problems: Problems): [string, unknown][] {
  if (given === undefined || given === null) return [];
  if (!isMap(given)) {
    problems.wrong(part, given, 'a map from names of models');
    return [];
  }
  const entries = Object.entries(given);
  if (entries.length > maxGroups)
    problems.add(`${part}: are ${entries.length}, have to be at most ${maxGroups}`);
  return entries.slice(0, maxGroups);
}
