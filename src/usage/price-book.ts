import type { ModelPrice } from '../../gen/llmgateway/v1/models_service_pb.js';
import type { PriceOf } from './cost.ts';
import { Pricing } from './price.ts';

/** What is known of a model of a provider's. */
export interface KnownPrice {
  /** By which its totals are told apart: its id, where it has one. */
  readonly model: string;
  readonly price: ModelPrice | undefined;
}

export interface PriceBookOptions {
  /** @param upstreamModel the model's name at the provider */
  readonly find: (provider: string, upstreamModel: string) => KnownPrice;
  /** Providers that cost nothing. */
  readonly free: ReadonlySet<string>;
  /** Price of models that have none; null: it is not known. */
  readonly fallback: ModelPrice | null;
}

/** A model with what it costs. */
export interface Priced {
  readonly model: string;
  readonly price: PriceOf;
}

/** Prices of models, ready to count with. */
export class PriceBook {
  readonly #options: PriceBookOptions;
  readonly #ready = new WeakMap<ModelPrice, Pricing>();

  constructor(options: PriceBookOptions) {
    this.#options = options;
  }

  of(provider: string, upstreamModel: string): Priced {
    const { find, free, fallback } = this.#options;
    const { model, price } = find(provider, upstreamModel);
    if (free.has(provider)) return { model, price: 'free' };
    const own = price ?? fallback;
    if (own === null) return { model, price: null };
    let ready = this.#ready.get(own);
    if (ready === undefined) {
      ready = new Pricing(own);
      this.#ready.set(own, ready);
    }
    return { model, price: ready };
  }
}
