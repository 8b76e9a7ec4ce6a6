import type { SecurityLevel } from '../../gen/llmgateway/v1/models_service_pb.js';
import type { Problems } from '../config/problems.ts';
import { foreignPrefixes, knownProviders } from '../config/provider-names.ts';
import { type CatalogueEntry, readEntry, securityLevel } from './read-entry.ts';

export { type CatalogueEntry, securityLevel } from './read-entry.ts';

/** All models, by every name they have. Never changed after it is made. */
export interface Catalogue {
  /** In the order of the files. */
  readonly entries: readonly CatalogueEntry[];
  /** Ids are taken as they are written, upper and lower case. */
  byId(id: string): CatalogueEntry | undefined;
  /** @param alias in lower case */
  byAlias(alias: string): CatalogueEntry | undefined;
  /** A provider's model by its id, its name at the provider, or an alias of it. */
  within(provider: string, name: string): CatalogueEntry | undefined;
  /**
   * The entry whose facts hold for a provider's model that has none of its own, such as a dated version: of those with whose id
   * or name at the provider it begins, the one with the longest. What follows must not go on with the word or the version:
   * `gpt-4-0613` is a `gpt-4`, `gpt-4o` and `gpt-4.1` are not.
   */
  closest(provider: string, upstreamModel: string): CatalogueEntry | undefined;
}

/** What `models` is in one file. */
export interface ModelList {
  /** The file's name, for error lines. */
  readonly name: string;
  readonly models: unknown;
}

/**
 * Reads the lists of models, later ones replacing entries of the same id.
 * @param levels security level by provider. The built-in providers may be named whether they are among these or not
 */
export function readCatalogue(
  lists: readonly ModelList[],
  levels: ReadonlyMap<string, SecurityLevel>,
  problems: Problems,
): Catalogue {
  const known = Object.entries(knownProviders).map(([name, level]) => [name, securityLevel(level)] as const);
  const providers = new Map([...known, ...levels]);
  const byId = new Map<string, CatalogueEntry>();
  for (const { name, models } of lists) {
    if (models === undefined || models === null) continue;
    if (!Array.isArray(models)) {
      problems.wrong(`${name}: models`, models, 'a list');
      continue;
    }
    const seen = new Set<string>();
    for (const [index, raw] of models.entries()) {
      const place = `${name}: models[${index}]`;
      const entry = readEntry(place, raw, providers, problems);
      if (entry === null) continue;
      const { id } = entry.model;
      if (seen.has(id)) problems.add(`${place}.id: ${problems.shown(id)} is there twice`);
      else byId.set(id, entry);
      seen.add(id);
    }
  }
  const entries = [...byId.values()];
  checkNames(entries, problems);
  checkFallbacks(entries, byId, problems);
  return new Index(entries, byId);
}

/** No name may mean two models, and none may begin with the prefix of another provider, which would win. */
function checkNames(entries: readonly CatalogueEntry[], problems: Problems): void {
  const owners = new Map<string, string>();
  for (const { model } of entries) owners.set(model.id.toLowerCase(), model.id);
  for (const { model } of entries) {
    checkPrefix(model.id, model.id, model.provider, problems);
    for (const alias of model.aliases) {
      checkPrefix(alias, model.id, model.provider, problems);
      const owner = owners.get(alias.toLowerCase());
      if (owner === undefined) owners.set(alias.toLowerCase(), model.id);
      else
        problems.add(`models: alias ${problems.shown(alias)} of ${model.id} is a name of ${owner} already`);
    }
  }
}

function checkPrefix(name: string, id: string, provider: string, problems: Problems): void {
  const lower = name.toLowerCase();
  for (const [prefix, owner] of Object.entries(foreignPrefixes)) {
    if (owner === provider || !lower.startsWith(prefix)) continue;
    problems.add(
      `models: name ${problems.shown(name)} of ${id} begins with ${prefix}, which means provider ${owner}, not ${provider}`,
    );
  }
}

function checkFallbacks(
  entries: readonly CatalogueEntry[],
  byId: ReadonlyMap<string, CatalogueEntry>,
  problems: Problems,
): void {
  for (const { model } of entries) {
    for (const fallback of model.fallbacks) {
      if (!byId.has(fallback)) {
        problems.add(`models: fallback ${problems.shown(fallback)} of ${model.id} is not a model`);
      } else if (fallback === model.id) {
        problems.add(`models: fallback ${problems.shown(fallback)} of ${model.id} is the model itself`);
      }
    }
  }
}

class Index implements Catalogue {
  readonly entries: readonly CatalogueEntry[];
  readonly #byId: ReadonlyMap<string, CatalogueEntry>;
  readonly #byAlias = new Map<string, CatalogueEntry>();
  /** By provider: ids and names at the provider, the longest first. */
  readonly #byProvider = new Map<string, { readonly name: string; readonly entry: CatalogueEntry }[]>();

  constructor(entries: readonly CatalogueEntry[], byId: ReadonlyMap<string, CatalogueEntry>) {
    this.entries = Object.freeze(entries);
    this.#byId = byId;
    for (const entry of entries) {
      const { aliases, id, provider, upstreamId } = entry.model;
      for (const alias of aliases) this.#byAlias.set(alias.toLowerCase(), entry);
      const names = this.#byProvider.get(provider) ?? [];
      for (const name of new Set([upstreamId, id])) names.push({ name, entry });
      this.#byProvider.set(provider, names);
    }
    for (const names of this.#byProvider.values()) names.sort((a, b) => b.name.length - a.name.length);
  }

  byId(id: string): CatalogueEntry | undefined {
    return this.#byId.get(id);
  }

  byAlias(alias: string): CatalogueEntry | undefined {
    return this.#byAlias.get(alias);
  }

  within(provider: string, name: string): CatalogueEntry | undefined {
    const named = this.#byId.get(name) ?? this.#byAlias.get(name.toLowerCase());
    if (named?.model.provider === provider) return named;
    return this.#byProvider.get(provider)?.find((own) => own.name === name)?.entry;
  }

  closest(provider: string, upstreamModel: string): CatalogueEntry | undefined {
    return this.#byProvider.get(provider)?.find(({ name }) => isVersionOf(upstreamModel, name))?.entry;
  }
}

function isVersionOf(name: string, base: string): boolean {
  if (!name.startsWith(base)) return false;
  return /^(?:$|[^a-z\d.]|\.(?!\d))/i.test(name.slice(base.length));
}
