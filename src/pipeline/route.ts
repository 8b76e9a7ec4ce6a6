import type { ChatWay, Provider, Timeouts } from '../providers/provider.ts';
import type { Choosable } from '../resilience/order.ts';
import type { Plan } from '../resilience/plan.ts';
import type { ChatCall } from './call.ts';

/** Where a call goes. */
export interface Route {
  readonly provider: Provider;
  /** The model's name at the provider. */
  readonly upstreamModel: string;
  readonly timeouts: Timeouts;
  /** All that the model is called by which keys may allow it: as asked for, its id in the catalogue, its provider with its name there. */
  readonly names: readonly string[];
  /** Whether it may have sensitive text. Default: no. */
  readonly secure?: boolean;
  /** Only because no rule knew the model's name. */
  readonly byDefault?: boolean;
}

/** A route as one of several. */
export interface Deployment extends Route, Choosable {}

/** All routes by which a call may be answered. */
export type RoutePlan = Plan<Deployment>;

/** By which of a provider's APIs a chat call goes to it: the one that the client speaks, where the provider has it. */
export const wayOf = (call: ChatCall, provider: Provider): Provider | ChatWay =>
  (call.api === 'responses' ? provider.responses : undefined) ?? provider;
