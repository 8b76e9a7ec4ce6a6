import { create } from '@bufbuild/protobuf';
import {
  type Model,
  ModelCapability,
  ModelPriceSchema,
  ModelSchema,
  SecurityLevel,
} from '../../gen/llmgateway/v1/models_service_pb.js';
import { isMap, type YamlMap } from '../config/file.ts';
import { didYouMean, type Problems, shown } from '../config/problems.ts';
import { readTimeouts, type TimeoutOverrides } from '../config/providers.ts';
import { flag, list, oneOf, text, type ValueReader, Wrong, wholeNumber } from '../config/values.ts';

/** One model of the catalogue. */
export interface CatalogueEntry {
  readonly model: Model;
  readonly timeouts: TimeoutOverrides;
  /** It has no chat completions. */
  readonly responsesOnly: boolean;
}

/** All models, by every name they have. */
export interface Catalogue {
  readonly entries: readonly CatalogueEntry[];
  byId(id: string): CatalogueEntry | undefined;
  /** @param alias in lower case */
  byAlias(alias: string): CatalogueEntry | undefined;
  /** The entry whose facts hold for a provider's model: the exact one, else the one with the longest id that the name begins with. */
  closest(provider: string, upstreamModel: string): CatalogueEntry | undefined;
}

const capabilityNames = Object.keys(ModelCapability)
  .filter((name) => Number.isNaN(Number(name)) && name !== 'UNSPECIFIED')
  .map((name) => name.toLowerCase());
const levels: Readonly<Record<string, SecurityLevel>> = {
  low: SecurityLevel.LOW,
  medium: SecurityLevel.MEDIUM,
  high: SecurityLevel.HIGH,
};
const prices: Readonly<Record<string, 'input' | 'cachedInput' | 'cacheWrite' | 'output'>> = {
  input: 'input',
  cached_input: 'cachedInput',
  cache_write: 'cacheWrite',
  output: 'output',
};

export const securityLevel = (name: string): SecurityLevel => levels[name] ?? SecurityLevel.UNSPECIFIED;

const tokens = wholeNumber(1, 100_000_000);
const map: ValueReader<YamlMap> = (raw) => (isMap(raw) ? raw : new Wrong('a map'));
const fields = {
  id: text,
  provider: text,
  upstream_id: text,
  aliases: list,
  context_window: tokens,
  max_output_tokens: tokens,
  price: map,
  capabilities: list,
  security_level: oneOf(['low', 'medium', 'high']),
  fallbacks: list,
  timeouts: map,
  responses_only: flag,
} as const;
type Fields = { [K in keyof typeof fields]?: (typeof fields)[K] extends ValueReader<infer T> ? T : never };

/**
 * Reads the lists of models, later ones replacing entries of the same id.
 * @param lists what `models` is in each file, with the file's name for error lines
 * @param providerLevels security level by provider; a provider that is not among them is a mistake
 */
export function readCatalogue(
  lists: readonly { readonly name: string; readonly models: unknown }[],
  providerLevels: ReadonlyMap<string, SecurityLevel>,
  problems: Problems,
): Catalogue {
  const byId = new Map<string, CatalogueEntry>();
  for (const { name, models } of lists) {
    if (models === undefined || models === null) continue;
    if (!Array.isArray(models)) {
      problems.add(`${name}: models is ${shown(models)}, has to be a list`);
      continue;
    }
    const seen = new Set<string>();
    models.forEach((raw, index) => {
      const entry = readEntry(`${name}: models[${index}]`, raw, providerLevels, problems);
      if (entry === null) return;
      const { id } = entry.model;
      if (seen.has(id)) problems.add(`${name}: models[${index}].id: ${shown(id)} is there twice`);
      seen.add(id);
      byId.set(id, entry);
    });
  }
  return index([...byId.values()], problems);
}

function readEntry(
  place: string,
  raw: unknown,
  providerLevels: ReadonlyMap<string, SecurityLevel>,
  problems: Problems,
): CatalogueEntry | null {
  if (!isMap(raw)) {
    problems.add(`${place}: is ${shown(raw)}, has to be a map`);
    return null;
  }
  const given = readFields(place, raw, problems);
  if (given.id === undefined || given.id === '') {
    problems.add(`${place}.id: is missing`);
    return null;
  }
  if (given.provider === undefined || !providerLevels.has(given.provider)) {
    const known = [...providerLevels.keys()];
    problems.add(`${place}.provider: is ${shown(given.provider)}, has to be one of ${known.join(', ')}`);
    return null;
  }
  const model = create(ModelSchema, {
    id: given.id,
    provider: given.provider,
    upstreamId: given.upstream_id ?? given.id,
    aliases: [...(given.aliases ?? [])],
    contextWindow: given.context_window ?? 0,
    maxOutputTokens: given.max_output_tokens ?? 0,
    capabilities: readCapabilities(place, given.capabilities ?? ['chat', 'streaming'], problems),
    securityLevel:
      given.security_level === undefined
        ? (providerLevels.get(given.provider) as SecurityLevel)
        : securityLevel(given.security_level),
    fallbacks: [...(given.fallbacks ?? [])],
  });
  if (given.price !== undefined) model.price = readPrice(`${place}.price`, given.price, problems);
  const timeouts = readTimeouts(`${place}.timeouts`, given.timeouts ?? {}, problems);
  return { model, timeouts, responsesOnly: given.responses_only ?? false };
}

function readFields(place: string, raw: YamlMap, problems: Problems): Fields {
  const values: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw)) {
    const reader = (fields as Record<string, ValueReader<unknown>>)[key];
    const read = reader?.(value);
    if (reader === undefined) {
      problems.add(`${place}.${key}: is not a setting${didYouMean(key, Object.keys(fields))}`);
    } else if (read instanceof Wrong) {
      problems.add(`${place}.${key}: is ${shown(value)}, has to be ${read.allowed}`);
    } else values[key] = read;
  }
  return values as Fields;
}

function readCapabilities(place: string, names: readonly string[], problems: Problems): ModelCapability[] {
  const capabilities: ModelCapability[] = [];
  for (const name of names) {
    if (capabilityNames.includes(name)) {
      capabilities.push(ModelCapability[name.toUpperCase() as keyof typeof ModelCapability]);
    } else {
      problems.add(`${place}.capabilities: ${shown(name)} is not one${didYouMean(name, capabilityNames)}`);
    }
  }
  return capabilities;
}

function readPrice(place: string, raw: YamlMap, problems: Problems) {
  const price = create(ModelPriceSchema);
  for (const [key, value] of Object.entries(raw)) {
    const field = prices[key];
    if (field === undefined) {
      problems.add(`${place}.${key}: is not a price${didYouMean(key, Object.keys(prices))}`);
    } else if (typeof value !== 'number' || value < 0) {
      problems.add(`${place}.${key}: is ${shown(value)}, has to be USD for a million tokens, 0 or more`);
    } else price[field] = value;
  }
  return price;
}

function index(entries: readonly CatalogueEntry[], problems: Problems): Catalogue {
  const byId = new Map(entries.map((entry) => [entry.model.id, entry]));
  const byAlias = new Map<string, CatalogueEntry>();
  const byProvider = new Map<string, CatalogueEntry[]>();
  for (const entry of entries) {
    const { id, provider, aliases } = entry.model;
    for (const alias of aliases.map((name) => name.toLowerCase())) {
      const other = byAlias.get(alias) ?? byId.get(alias);
      if (other === undefined) byAlias.set(alias, entry);
      else problems.add(`models: alias ${shown(alias)} of ${id} is a name of ${other.model.id} already`);
    }
    const same = byProvider.get(provider) ?? [];
    byProvider.set(provider, [...same, entry]);
  }
  for (const { model } of entries) {
    for (const fallback of model.fallbacks) {
      if (!byId.has(fallback))
        problems.add(`models: fallback ${shown(fallback)} of ${model.id} is not a model`);
    }
  }
  for (const same of byProvider.values()) {
    same.sort((a, b) => b.model.upstreamId.length - a.model.upstreamId.length);
  }
  return {
    entries,
    byId: (id) => byId.get(id),
    byAlias: (alias) => byAlias.get(alias),
    closest: (provider, upstreamModel) =>
      byProvider.get(provider)?.find(({ model }) => upstreamModel.startsWith(model.upstreamId)),
  };
}
