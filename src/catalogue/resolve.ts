import { invalidRequest } from '../errors/gateway-error.ts';
import type { Catalogue, CatalogueEntry } from './catalogue.ts';

/** Where a name leads. */
export interface Resolved {
  /** Name of the provider; it may not be there. */
  readonly provider: string;
  readonly upstreamModel: string;
  /** The catalogue's entry, exact or the closest; null when there is none. */
  readonly entry: CatalogueEntry | null;
  /** Whether `entry` is the model itself, not merely the closest. */
  readonly exact: boolean;
}

/** The rules by which names lead to providers. */
export interface NameRules {
  /** Prefixes in lower case, with their providers. */
  readonly prefixes: ReadonlyMap<string, string>;
  /** Beginnings of names, with their providers; the first that fits wins. */
  readonly patterns: readonly (readonly [beginning: string, provider: string])[];
  /** Provider of names that nothing else knows. */
  readonly defaultProvider: string;
}

/** Resolved names that are kept at most; clients use few. */
const maxKept = 2_048;

/**
 * Resolves names of models, in this order: a provider's prefix (whatever its case; it always wins and is stripped), an alias
 * (whatever its case), an exact id, the beginning of the name, and last the default provider.
 */
export class Resolver {
  readonly #catalogue: Catalogue;
  readonly #rules: NameRules;
  readonly #prefixLengths: readonly number[];
  readonly #kept = new Map<string, Resolved>();

  constructor(catalogue: Catalogue, rules: NameRules) {
    this.#catalogue = catalogue;
    this.#rules = rules;
    this.#prefixLengths = [...new Set([...rules.prefixes.keys()].map(({ length }) => length))].sort(
      (a, b) => b - a,
    );
  }

  /** @throws GatewayError when nothing is left behind a prefix */
  resolve(name: string): Resolved {
    const kept = this.#kept.get(name);
    if (kept !== undefined) return kept;
    const resolved = this.#find(name);
    if (this.#kept.size >= maxKept) this.#kept.clear();
    this.#kept.set(name, resolved);
    return resolved;
  }

  #find(name: string): Resolved {
    const lower = name.toLowerCase();
    for (const length of this.#prefixLengths) {
      const provider = this.#rules.prefixes.get(lower.slice(0, length));
      if (provider !== undefined) return this.#prefixed(provider, name, length);
    }
    const entry = this.#catalogue.byAlias(lower) ?? this.#catalogue.byId(name);
    if (entry !== undefined) return direct(entry);
    const pattern = this.#rules.patterns.find(([beginning]) => lower.startsWith(beginning));
    return this.#at(pattern?.[1] ?? this.#rules.defaultProvider, name);
  }

  #prefixed(provider: string, name: string, length: number): Resolved {
    const rest = name.slice(length);
    if (rest.trim() === '')
      throw invalidRequest('model', `model ${JSON.stringify(name)} names a provider but no model`);
    return this.#at(provider, rest);
  }

  #at(provider: string, upstreamModel: string): Resolved {
    const entry = this.#catalogue.closest(provider, upstreamModel) ?? null;
    return { provider, upstreamModel, entry, exact: entry?.model.upstreamId === upstreamModel };
  }
}

const direct = (entry: CatalogueEntry): Resolved => ({
  provider: entry.model.provider,
  upstreamModel: entry.model.upstreamId,
  entry,
  exact: true,
});
