import { readFields } from './fields.ts';
import { isMap } from './file.ts';
import { integrationNames, integrationTable, type Operation } from './integration-table.ts';
import type { Problems } from './problems.ts';
import { toolPathReader } from './tool-paths.ts';

/** Paths of operations that are not those of the table, by service and operation. */
export type IntegrationPaths = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** @param given what `integrations.paths` is in the file */
export function readIntegrationPaths(given: unknown, problems: Problems): IntegrationPaths {
  if (given === undefined || given === null) return {};
  if (!isMap(given)) {
    problems.wrong('integrations.paths', given, 'a map from services to paths of their operations');
    return {};
  }
  const paths: Record<string, Readonly<Record<string, string>>> = {};
  for (const [name, own] of Object.entries(given)) {
    const service = integrationNames.find((known) => known === name);
    if (service === undefined) {
      problems.unknown(`integrations.paths.${name}`, name, integrationNames);
      continue;
    }
    const operations: Readonly<Record<string, Operation>> = integrationTable[service].operations;
    const readers = Object.fromEntries(
      Object.entries(operations).map(([operation, { path }]) => [operation, toolPathReader(path)]),
    );
    const read = readFields(`integrations.paths.${name}`, own ?? {}, readers, problems);
    if (read !== null) paths[name] = read as Readonly<Record<string, string>>;
  }
  return paths;
}
