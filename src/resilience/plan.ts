import type { Choosable, Routing } from './order.ts';
import type { HedgeDelay } from './rules.ts';

/** One place that can answer. */
export interface Candidate extends Choosable {
  readonly provider: { readonly name: string };
  readonly upstreamModel: string;
}

/** The deployments of one model. */
export interface Group<C> {
  /** Name of the model at the gateway. */
  readonly model: string;
  /** At least one. */
  readonly deployments: readonly C[];
  readonly routing: Routing;
  /** The same conversation goes to the same deployment, whatever `routing` says. */
  readonly sticky: boolean;
  /** Unset: as configured for all. */
  readonly hedge?: HedgeDelay;
}

/** All that may answer a call. */
export interface Plan<C> extends Group<C> {
  /** Models that stand in, in this order. */
  readonly fallbacks: readonly Group<C>[];
  /** Those that stand in when the prompt is too long, and only then. */
  readonly contextFallbacks: readonly Group<C>[];
}
