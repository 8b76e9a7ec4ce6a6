import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type Model,
  ModelCapability,
  ModelPriceSchema,
  ModelSchema,
  SecurityLevel,
} from '../../gen/llmgateway/v1/models_service_pb.js';
import { foreignPrefixes } from '../config/builtin-providers.ts';
import { anyMap, type FieldsOf, readFields } from '../config/fields.ts';
import { didYouMean, type Problems } from '../config/problems.ts';
import { readTimeouts, type TimeoutOverrides } from '../config/providers.ts';
import { flag, list, oneOf, text, type ValueReader, Wrong, wholeNumber } from '../config/values.ts';

/** One model of the catalogue. */
export interface CatalogueEntry {
  readonly model: Model;
  readonly timeouts: TimeoutOverrides;
  /** It has no chat completions. */
  readonly responsesOnly: boolean;
  /** What it can do was said, not assumed. */
  readonly capabilitiesGiven: boolean;
}

const capabilityNames = Object.keys(ModelCapability)
  .filter((name) => Number.isNaN(Number(name)) && name !== 'UNSPECIFIED')
  .map((name) => name.toLowerCase());

const levels: Readonly<Record<string, SecurityLevel>> = {
  low: SecurityLevel.LOW,
  medium: SecurityLevel.MEDIUM,
  high: SecurityLevel.HIGH,
};

export const securityLevel = (name: string): SecurityLevel => levels[name] ?? SecurityLevel.UNSPECIFIED;

/** As long as a request may name a model. */
const maxName = 512;
const name: ValueReader<string> = (raw) => {
  const value = text(raw);
  const wrong = new Wrong(`text of 1 to ${maxName} characters without spaces around it`);
  return value instanceof Wrong || value.length > maxName || value !== value.trim() ? wrong : value;
};
const tokens = wholeNumber(1, 100_000_000);
const usd: ValueReader<number> = (raw) =>
  typeof raw === 'number' && Number.isFinite(raw) && raw >= 0
    ? raw
    : new Wrong('USD for a million tokens, 0 or more');

const fields = {
  id: name,
  provider: name,
  upstream_id: name,
  aliases: list,
  context_window: tokens,
  max_output_tokens: tokens,
  price: anyMap,
  capabilities: list,
  security_level: oneOf(['low', 'medium', 'high']),
  fallbacks: list,
  timeouts: anyMap,
  responses_only: flag,
} as const;

const prices = { input: usd, cached_input: usd, cache_write: usd, output: usd } as const;

/**
 * Reads one entry of a list of models.
 * @param place where it is, for error lines
 * @param providers levels of security by the names that `provider` may be
 * @returns null when it cannot be an entry at all
 */
export function readEntry(
  place: string,
  raw: unknown,
  providers: ReadonlyMap<string, SecurityLevel>,
  problems: Problems,
): CatalogueEntry | null {
  const given = readFields(place, raw, fields, problems);
  if (given === null) return null;
  const { id, provider } = given;
  const known = provider !== undefined && providers.has(provider);
  const said = raw as Record<string, unknown>;
  if (id === undefined && !said['id']) problems.add(`${place}.id: is missing`);
  if (!known && (provider !== undefined || !said['provider'])) {
    problems.wrong(`${place}.provider`, provider, `one of ${[...providers.keys()].join(', ')}`);
  }
  const capabilities = readCapabilities(place, given.capabilities ?? ['chat', 'streaming'], problems);
  const timeouts =
    given.timeouts === undefined ? {} : readTimeouts(`${place}.timeouts`, given.timeouts, problems);
  const price = given.price === undefined ? {} : readFields(`${place}.price`, given.price, prices, problems);
  if (id === undefined || !known) return null;
  const level = given.security_level;
  const model = create(ModelSchema, {
    id,
    provider,
    upstreamId: given.upstream_id ?? withoutPrefix(id, provider),
    aliases: [...(given.aliases ?? [])],
    contextWindow: given.context_window ?? 0,
    maxOutputTokens: given.max_output_tokens ?? 0,
    capabilities,
    securityLevel: level === undefined ? (providers.get(provider) as SecurityLevel) : securityLevel(level),
    fallbacks: [...(given.fallbacks ?? [])],
  });
  if (price !== null && Object.keys(price).length > 0) model.price = create(ModelPriceSchema, priceOf(price));
  const capabilitiesGiven = given.capabilities !== undefined;
  return { model, timeouts, responsesOnly: given.responses_only ?? false, capabilitiesGiven };
}

function readCapabilities(place: string, names: readonly string[], problems: Problems): ModelCapability[] {
  const capabilities = new Set<ModelCapability>();
  for (const item of names) {
    if (capabilityNames.includes(item)) {
      capabilities.add(ModelCapability[item.toUpperCase() as keyof typeof ModelCapability]);
    } else {
      problems.add(
        `${place}.capabilities: ${problems.shown(item)} is not one${didYouMean(item, capabilityNames)}`,
      );
    }
  }
  return [...capabilities];
}

const priceOf = (price: FieldsOf<typeof prices>): MessageInitShape<typeof ModelPriceSchema> => ({
  ...(price.input === undefined ? {} : { input: price.input }),
  ...(price.cached_input === undefined ? {} : { cachedInput: price.cached_input }),
  ...(price.cache_write === undefined ? {} : { cacheWrite: price.cache_write }),
  ...(price.output === undefined ? {} : { output: price.output }),
});

/** An id that begins with its provider's prefix: what the provider calls it. */
function withoutPrefix(id: string, provider: string): string {
  const lower = id.toLowerCase();
  const prefix = [`${provider}/`, ...prefixesOf(provider)].find((own) => lower.startsWith(own));
  return prefix === undefined || prefix.length === id.length ? id : id.slice(prefix.length);
}

/** The built-in prefixes of a provider, the longest first. */
const prefixesOf = (provider: string): string[] =>
  Object.keys(foreignPrefixes)
    .filter((prefix) => foreignPrefixes[prefix] === provider)
    .sort((a, b) => b.length - a.length);
