import type { Provider, Timeouts } from '../providers/provider.ts';

/** Where a call goes. */
export interface Route {
  readonly provider: Provider;
  /** The model's name at the provider. */
  readonly upstreamModel: string;
  readonly timeouts: Timeouts;
}
