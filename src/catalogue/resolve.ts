import { invalidRequest } from '../errors/gateway-error.ts';
import type { Catalogue, CatalogueEntry } from './catalogue.ts';

/** Where a name leads. */
export interface Resolved {
  /** Name of the provider; it may not be there. */
  readonly provider: string;
  /** What the provider calls the model. */
  readonly upstreamModel: string;
  /** The catalogue's entry, exact or the closest; null when there is none. */
  readonly entry: CatalogueEntry | null;
  /** Whether `entry` is the model itself, not merely the closest. */
  readonly exact: boolean;
  /** No rule knew the name, so that it went to the default provider. */
  readonly byDefault?: boolean;
}

/** The rules by which names lead to providers. */
export interface NameRules {
  /** Prefixes in lower case, with their providers. */
  readonly prefixes: ReadonlyMap<string, string>;
  /** Beginnings of names in lower case, with their providers; the first that fits wins. */
  readonly patterns: readonly (readonly [beginning: string, provider: string])[];
  /** Provider of names that nothing else knows. */
  readonly defaultProvider: string;
  /** Beginnings of names in lower case whose calls go to this provider, whatever the catalogue says. */
  readonly diverted?: readonly (readonly [beginning: string, provider: string])[];
  /** Names behind which there are several deployments, and the name of the first of these; they win. */
  readonly groups?: ReadonlyMap<string, string>;
}

/** Resolved names that are kept at most; clients use few. */
const maxKept = 2_048;
/** Longer names are not kept, so that what is kept stays small. */
const maxKeptLength = 256;
/** As in the contract of GetModel. */
const maxName = 512;

/**
 * Resolves names of models, in this order:
 *
 * 1. a provider's prefix, upper or lower case. It always wins, the longest first, and is stripped; what is left may be an id or
 *    an alias of one of that provider's models in the catalogue, or else is the provider's own name for the model;
 * 2. where the beginnings of names are diverted, to that provider;
 *    then an alias, upper or lower case;
 * 3. the id of a model in the catalogue, in its very spelling;
 * 4. the beginning of the name, upper or lower case (`gpt-`, `claude-`, …);
 * 5. the default provider.
 *
 * Whether the provider is there is not asked: a name never leads to another one because of that. The latest results are kept.
 */
export class Resolver {
  readonly #catalogue: Catalogue;
  readonly #rules: NameRules;
  /** Lengths of the prefixes, the longest first. */
  readonly #prefixLengths: readonly number[];
  readonly #kept = new Map<string, Resolved>();

  constructor(catalogue: Catalogue, rules: NameRules) {
    this.#catalogue = catalogue;
    this.#rules = rules;
    const lengths = new Set([...rules.prefixes.keys()].map(({ length }) => length));
    this.#prefixLengths = [...lengths].sort((a, b) => b - a);
  }

  /** @throws GatewayError INVALID_REQUEST when there is no name, nothing behind a prefix, or more than 512 characters */
  resolve(name: string): Resolved {
    const kept = this.#kept.get(name);
    if (kept !== undefined) return kept;
    const resolved = this.#find(this.#rules.groups?.get(name) ?? name);
    if (name.length > maxKeptLength) return resolved;
    if (this.#kept.size >= maxKept) this.#kept.clear();
    this.#kept.set(name, resolved);
    return resolved;
  }

  /** The same for a name that means one deployment, also where it is the name of several. */
  resolveMember(name: string): Resolved {
    return this.#find(name);
  }

  #find(name: string): Resolved {
    if (name.trim() === '') throw invalidRequest('model', 'model is missing');
    if (name.length > maxName) {
      throw invalidRequest('model', `model has ${name.length} characters; at most ${maxName} are allowed`);
    }
    const lower = name.toLowerCase();
    for (const length of this.#prefixLengths) {
      const provider = this.#rules.prefixes.get(lower.slice(0, length));
      if (provider !== undefined) return this.#prefixed(provider, name, length);
    }
    const entry = this.#catalogue.byAlias(lower) ?? this.#catalogue.byId(name);
    const diverted = this.#rules.diverted?.find(([beginning]) => lower.startsWith(beginning));
    // What is known of the model holds there, too, but for its own name.
    if (diverted !== undefined) {
      return { provider: diverted[1], upstreamModel: name, entry: entry ?? null, exact: false };
    }
    if (entry !== undefined) return direct(entry);
    const pattern = this.#rules.patterns.find(([beginning]) => lower.startsWith(beginning));
    if (pattern !== undefined) return this.#at(pattern[1], name);
    return { ...this.#at(this.#rules.defaultProvider, name), byDefault: true };
  }

  #prefixed(provider: string, name: string, length: number): Resolved {
    const rest = name.slice(length);
    if (rest.trim() === '') {
      throw invalidRequest('model', `model ${JSON.stringify(name)} names a provider but no model`);
    }
    // Ids may hold the prefix.
    const entry = this.#catalogue.within(provider, name) ?? this.#catalogue.within(provider, rest);
    return entry === undefined ? this.#at(provider, rest) : direct(entry);
  }

  /** A model that is not in the catalogue by this name; but it may be by its provider's. */
  #at(provider: string, upstreamModel: string): Resolved {
    const entry = this.#catalogue.within(provider, upstreamModel);
    if (entry !== undefined) return direct(entry);
    const closest = this.#catalogue.closest(provider, upstreamModel) ?? null;
    return { provider, upstreamModel, entry: closest, exact: false };
  }
}

/** All that a model is called that is asked for by a name: so, by its id in the catalogue, by its provider and the name there. */
export const namesOf = (name: string, { provider, upstreamModel, entry, exact }: Resolved): string[] => [
  name,
  ...(exact && entry !== null ? [entry.model.id] : []),
  `${provider}/${upstreamModel}`,
];

const direct = (entry: CatalogueEntry): Resolved => ({
  provider: entry.model.provider,
  upstreamModel: entry.model.upstreamId,
  entry,
  exact: true,
});
