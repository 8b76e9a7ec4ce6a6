import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type Model,
  ModelCapability,
  type ModelPrice,
  ModelPriceSchema,
  ModelSchema,
  PriceVariantSchema,
  SecurityLevel,
} from '../../gen/llmgateway/v1/models_service_pb.js';
import { anyMap, type FieldsOf, readFields } from '../config/fields.ts';
import { didYouMean, type Problems } from '../config/problems.ts';
import { foreignPrefixes } from '../config/provider-names.ts';
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
/** With at most six decimals, so that a token costs a whole number of picodollars. */
const usd: ValueReader<number> = (raw) =>
  typeof raw === 'number' && raw >= 0 && raw <= 1_000_000 && Number(raw.toFixed(6)) === raw
    ? raw
    : new Wrong('USD for a million tokens, 0 to 1000000 with at most six decimals');
const requestUsd: ValueReader<number> = (raw) =>
  typeof raw === 'number' && raw >= 0 && raw <= 1_000 ? raw : new Wrong('USD for a request, 0 to 1000');

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

const prices = {
  input: usd,
  cached_input: usd,
  cache_write: usd,
  cache_write_1h: usd,
  audio_input: usd,
  cached_audio_input: usd,
  image_input: usd,
  output: usd,
  reasoning: usd,
  audio_output: usd,
  request: requestUsd,
} as const;

const maxVariants = 16;
const variants: ValueReader<readonly unknown[]> = (raw) =>
  Array.isArray(raw) && raw.length <= maxVariants
    ? raw
    : new Wrong(`a list of at most ${maxVariants} maps of prices`);
const priceFields = { ...prices, variants } as const;
const variantFields = { ...prices, above: tokens, service_tier: text } as const;

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
  const price =
    given.price === undefined ? {} : readFields(`${place}.price`, given.price, priceFields, problems);
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
  if (price !== null && Object.keys(price).length > 0)
    model.price = readPrice(`${place}.price`, price, problems);
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

function readPrice(place: string, given: FieldsOf<typeof priceFields>, problems: Problems): ModelPrice {
  const price = create(ModelPriceSchema, priceOf(given));
  for (const [index, raw] of (given.variants ?? []).entries()) {
    const at = `${place}.variants[${index}]`;
    const variant = readFields(at, raw, variantFields, problems);
    if (variant === null) continue;
    const { above, service_tier: serviceTier, ...own } = variant;
    if (above === undefined && serviceTier === undefined)
      problems.add(`${at}: has to have above or service_tier`);
    price.variants.push(
      create(PriceVariantSchema, {
        aboveTokens: above ?? 0,
        serviceTier: serviceTier ?? '',
        price: priceOf(own),
      }),
    );
  }
  return price;
}

/** Names of the contract by those of the file. */
const contractNames = {
  input: 'input',
  cached_input: 'cachedInput',
  cache_write: 'cacheWrite',
  cache_write_1h: 'cacheWrite1h',
  audio_input: 'audioInput',
  cached_audio_input: 'cachedAudioInput',
  image_input: 'imageInput',
  output: 'output',
  reasoning: 'reasoning',
  audio_output: 'audioOutput',
  request: 'request',
} as const satisfies Record<keyof typeof prices, keyof ModelPrice>;

function priceOf(given: FieldsOf<typeof prices>): MessageInitShape<typeof ModelPriceSchema> {
  const init: Record<string, number> = {};
  for (const [name, own] of Object.entries(contractNames)) {
    const value = given[name as keyof typeof prices];
    if (value !== undefined) init[own] = value;
  }
  return init;
}

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
