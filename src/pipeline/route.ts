import type { ChatWay, Provider, Timeouts } from '../providers/provider.ts';
import type { ChatCall } from './call.ts';

/** Where a call goes. */
export interface Route {
  readonly provider: Provider;
  /** The model's name at the provider. */
  readonly upstreamModel: string;
  readonly timeouts: Timeouts;
}

/** By which of a provider's APIs a chat call goes to it: the one that the client speaks, where the provider has it. */
export const wayOf = (call: ChatCall, provider: Provider): Provider | ChatWay =>
  (call.api === 'responses' ? provider.responses : undefined) ?? provider;
