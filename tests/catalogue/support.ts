import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { SecurityLevel } from '../../gen/llmgateway/v1/models_service_pb.js';
import { type Catalogue, readCatalogue, securityLevel } from '../../src/catalogue/catalogue.ts';
import { type NameRules, Resolver } from '../../src/catalogue/resolve.ts';
import { parseYaml } from '../../src/config/file.ts';
import { Problems } from '../../src/config/problems.ts';
import { foreignPrefixes, namePatterns } from '../../src/config/provider-names.ts';
import { load } from '../config/support/load.ts';

const config = load(null);
const file = path.resolve(import.meta.dirname, '../../config/models.yaml');

const levels: ReadonlyMap<string, SecurityLevel> = new Map(
  config.providers.map(({ name, securityLevel: level }) => [name, securityLevel(level)]),
);

/** Reads lists of models, one after the other. */
export function read(...lists: readonly unknown[]): { catalogue: Catalogue; lines: readonly string[] } {
  const problems = new Problems();
  const named = lists.map((models, index) => ({ name: `file${index}`, models }));
  return { catalogue: readCatalogue(named, levels, problems), lines: problems.lines };
}

/** The entries of the catalogue that comes with the project. */
export const shippedModels = parseYaml(readFileSync(file, 'utf8'), file, {})['models'] as Record<
  string,
  unknown
>[];

export const rules: NameRules = {
  prefixes: new Map(Object.entries(foreignPrefixes)),
  patterns: namePatterns,
  defaultProvider: 'inference',
};

export const shipped = read(shippedModels);
export const resolver = new Resolver(shipped.catalogue, rules);
