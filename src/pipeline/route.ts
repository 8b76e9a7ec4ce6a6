import type { Provider, Timeouts } from '../providers/provider.ts';

/** Where a call goes. */
export interface Route {
  readonly provider: Provider;
  /** The model's name at the provider. */
  readonly upstreamModel: string;
  /** The catalogue's id of the model; null for one that is not in it. */
  readonly modelId: string | null;
  readonly timeouts: Timeouts;
}
