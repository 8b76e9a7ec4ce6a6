import { clone, create } from '@bufbuild/protobuf';
import {
  type Model,
  ModelCapability,
  type ModelPrice,
  ModelPriceSchema,
  ModelSchema,
  type Provider,
  ProviderSchema,
  SecurityLevel,
} from '../../gen/llmgateway/v1/models_service_pb.js';
import type { Catalogue, CatalogueEntry } from '../catalogue/catalogue.ts';
import { namesOf, type Resolver } from '../catalogue/resolve.ts';
import { Windows } from '../catalogue/windows.ts';
import type { Discovery } from '../providers/discovery.ts';
import type { DiscoveredModel } from '../providers/provider.ts';

/** A provider, as far as its models hang on it. */
export interface ModelProvider {
  readonly name: string;
  /** Of model names; lower case. */
  readonly prefixes: readonly string[];
  readonly securityLevel: SecurityLevel;
  readonly baseUrl: string;
  /** What has to be set before it can be used; null when nothing. */
  readonly missing: string | null;
  /** Only its answer tells whether it is there: it needs no key, and it is asked for its models. */
  readonly probed: boolean;
}

/** Where what is known of models comes from. */
export interface ModelKnowledge {
  readonly catalogue: Catalogue;
  readonly resolver: Resolver;
  readonly discovery: Discovery;
  /** In their order. */
  readonly providers: readonly ModelProvider[];
}

/** Prices of names that are not known which are kept at most; clients use few. */
const maxKept = 2_048;
const maxKeptLength = 256;

/** What a provider's models were made of, and they themselves. */
interface Merged {
  readonly discovered: readonly DiscoveredModel[];
  readonly models: readonly Model[];
  readonly byId: ReadonlyMap<string, Model>;
  /** By their names at the provider. */
  readonly byName: ReadonlyMap<string, Model>;
}

/**
 * The models of the catalogue and those that providers report, as one. What the catalogue says holds; what it does not say is
 * taken from the provider. Models are made once for each list that a provider reports, not for each request.
 */
export class KnownModels {
  readonly #knowledge: ModelKnowledge;
  readonly #entries = new Map<string, CatalogueEntry[]>();
  readonly #merged = new Map<string, Merged>();
  readonly #windows: Windows;
  readonly #closest = new Map<string, { readonly model: string; readonly price: ModelPrice | undefined }>();

  constructor(knowledge: ModelKnowledge) {
    this.#knowledge = knowledge;
    this.#windows = new Windows(knowledge.catalogue);
    for (const entry of knowledge.catalogue.entries) {
      const { provider } = entry.model;
      const entries = this.#entries.get(provider);
      if (entries === undefined) this.#entries.set(provider, [entry]);
      else entries.push(entry);
    }
  }

  /** Providers in their order, without their models. */
  providers(): Provider[] {
    return this.#knowledge.providers.map(({ name, prefixes, securityLevel, baseUrl, missing, probed }) => {
      const away = probed && this.#knowledge.discovery.reachable(name) !== true;
      return create(ProviderSchema, {
        name,
        prefixes: [...prefixes],
        available: missing === null && !away,
        unavailableReason: missing ?? (away ? `provider ${name} does not answer at ${baseUrl}` : ''),
        securityLevel,
      });
    });
  }

  /** A provider's models: those of the catalogue in its order, then the others by id. */
  modelsOf(provider: string): readonly Model[] {
    return this.#mergedOf(provider).models;
  }

  /** Whether this is a model of a provider's, by its name there. */
  knows(provider: string, upstreamModel: string): boolean {
    return this.#mergedOf(provider).byName.has(upstreamModel);
  }

  /** The model to which a name leads a call; null when nothing is known of it. @throws as Resolver.resolve */
  resolve(name: string): Model | null {
    const { provider, upstreamModel, entry, exact } = this.#knowledge.resolver.resolve(name);
    const { byId, byName } = this.#mergedOf(provider);
    return (exact && entry !== null ? byId.get(entry.model.id) : byName.get(upstreamModel)) ?? null;
  }

  /** The provider to which a name leads a call. @throws as Resolver.resolve */
  providerOf(name: string): string {
    return this.#knowledge.resolver.resolve(name).provider;
  }

  /** All that a model is called that is asked for by a name, by which keys may allow it. @throws as Resolver.resolve */
  namesOf(name: string): string[] {
    return namesOf(name, this.#knowledge.resolver.resolve(name));
  }

  /**
   * Tokens that the context of the model takes to which a name leads a call: by the catalogue, or else by the provider's own word, or else
   * by the longest name in the catalogue that it is like.
   * @throws as Resolver.resolve
   */
  contextWindow(name: string): number {
    const { provider, upstreamModel, entry, exact } = this.#knowledge.resolver.resolve(name);
    const { byId, byName } = this.#mergedOf(provider);
    const own = exact && entry !== null ? byId.get(entry.model.id) : byName.get(upstreamModel);
    if (own !== undefined && own.contextWindow > 0) return own.contextWindow;
    const closest = entry?.model.contextWindow ?? 0;
    return closest > 0 ? closest : this.#windows.like(upstreamModel);
  }

  /**
   * The price of a provider's model: its own, by the catalogue or the provider's word, or that of the closest in the catalogue; and the id of the
   * model, where it has one.
   */
  priceOf(
    provider: string,
    upstreamModel: string,
  ): { readonly model: string; readonly price: ModelPrice | undefined } {
    const own = this.#mergedOf(provider).byName.get(upstreamModel);
    if (own !== undefined) return { model: own.id, price: own.price };
    const name = `${provider}/${upstreamModel}`;
    const kept = this.#closest.get(name);
    if (kept !== undefined) return kept;
    const price = this.#knowledge.catalogue.closest(provider, upstreamModel)?.model.price;
    const found = { model: name, price };
    if (this.#closest.size >= maxKept) this.#closest.clear();
    if (name.length <= maxKeptLength) this.#closest.set(name, found);
    return found;
  }

  #mergedOf(provider: string): Merged {
    const discovered = this.#knowledge.discovery.modelsOf(provider);
    const known = this.#merged.get(provider);
    if (known?.discovered === discovered) return known;
    const merged = this.#merge(provider, discovered);
    // Names of providers that are not there come from clients: they are not kept.
    if (this.#entries.has(provider) || discovered.length > 0) this.#merged.set(provider, merged);
    return merged;
  }

  #merge(provider: string, discovered: readonly DiscoveredModel[]): Merged {
    const facts = new Map<string, DiscoveredModel>();
    for (const found of discovered) for (const name of ownNames(found)) facts.set(name, found);
    for (const found of discovered) facts.set(found.id, found);
    const byName = new Map<string, Model>();
    const listed = new Set<DiscoveredModel>();
    const models: Model[] = [];
    for (const entry of this.#entries.get(provider) ?? []) {
      const found = facts.get(entry.model.upstreamId);
      const model = found === undefined ? entry.model : completed(entry, found);
      models.push(model);
      byName.set(entry.model.upstreamId, model);
      if (found === undefined) continue;
      listed.add(found);
      for (const name of ownNames(found)) if (!byName.has(name)) byName.set(name, model);
    }
    const owner = this.#knowledge.providers.find(({ name }) => name === provider);
    const rest = discovered.filter((found) => !listed.has(found));
    for (const found of rest.sort((a, b) => (a.id < b.id ? -1 : 1))) {
      const model = discoveredModel(provider, found, owner);
      models.push(model);
      for (const name of ownNames(found)) if (!byName.has(name)) byName.set(name, model);
    }
    const byId = new Map(models.map((model) => [model.id, model]));
    return { discovered, models, byId, byName };
  }
}

const ownNames = ({ id, aliases = [] }: DiscoveredModel): string[] => [id, ...aliases];

/** A model of the catalogue with what the catalogue does not say. */
function completed({ model, capabilitiesGiven }: CatalogueEntry, facts: DiscoveredModel): Model {
  const full = clone(ModelSchema, model);
  if (full.contextWindow === 0) full.contextWindow = facts.contextWindow ?? 0;
  if (full.maxOutputTokens === 0) full.maxOutputTokens = facts.maxOutputTokens ?? 0;
  if (full.createdAt === 0) full.createdAt = facts.createdAt ?? 0;
  if (full.price === undefined && facts.price !== undefined) {
    full.price = create(ModelPriceSchema, facts.price);
  }
  if (!capabilitiesGiven && facts.capabilities !== undefined) full.capabilities = [...facts.capabilities];
  return full;
}

/** A model that only its provider knows of; one that does not say what it can do can chat. */
function discoveredModel(provider: string, facts: DiscoveredModel, owner: ModelProvider | undefined): Model {
  const own = `${provider}/`;
  const prefixes = owner?.prefixes ?? [];
  const prefix = prefixes.includes(own) ? own : (prefixes[0] ?? own);
  return create(ModelSchema, {
    id: `${prefix}${facts.id}`,
    provider,
    upstreamId: facts.id,
    aliases: (facts.aliases ?? []).map((alias) => `${prefix}${alias}`),
    contextWindow: facts.contextWindow ?? 0,
    maxOutputTokens: facts.maxOutputTokens ?? 0,
    ...(facts.price === undefined ? {} : { price: create(ModelPriceSchema, facts.price) }),
    capabilities: [...(facts.capabilities ?? [ModelCapability.CHAT, ModelCapability.STREAMING])],
    ...(owner === undefined ? {} : { securityLevel: levelOf(facts, owner) }),
    createdAt: facts.createdAt ?? 0,
    discovered: true,
  });
}

/** A provider of our own that hands a model's calls on to somebody else is no longer a matter of our own machines. */
const levelOf = ({ remote }: DiscoveredModel, { securityLevel }: ModelProvider): SecurityLevel =>
  remote ? Math.min(securityLevel, SecurityLevel.MEDIUM) : securityLevel;
