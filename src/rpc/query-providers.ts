import { mayAsk } from '../auth/models.ts';
import type { Principal } from '../auth/principal.ts';
import { type GatewayError, invalidRequest } from '../errors/gateway-error.ts';

/** A provider that may answer a query, with the model that it is asked for. */
export interface Candidate {
  /** Its name in the gateway. */
  readonly provider: string;
  /** What comes before a model's name to mean this provider. */
  readonly prefix: string;
  /** Its model where none is named, as ChatService takes it; '' when there is none. */
  readonly model: string;
  /** The same, as the provider calls it. */
  readonly upstreamModel: string;
  /** All that the model is called by which keys may allow it. */
  readonly names: readonly string[];
  /** US dollars, the mean of input and output; null when not known. */
  readonly costPerToken: number | null;
  /** It may have sensitive text. */
  readonly secure: boolean;
  readonly available: boolean;
  /** Nobody is paid for its answers. */
  readonly free: boolean;
}

/** What is known of providers now. Asking it never waits: they are asked in the background. */
export interface QueryProviders {
  /** Those among which the gateway chooses, in their order. */
  candidates(): readonly Candidate[];
  /** Any provider by its name; null when there is none. */
  find(provider: string): Candidate | null;
  /** Whether a model reasons before it answers, so that its output is longer than what it says. */
  reasons(model: string): boolean;
  /** Whether a name leads to a model of a provider. */
  belongs(model: string, provider: string): boolean;
}

/**
 * Those that may be asked, in the order in which they are: available ones, the cheapest first, and of equally cheap ones the earlier in the
 * list.
 * @param sensitive those only that may have sensitive text
 */
export function selectProvider(candidates: readonly Candidate[], sensitive: boolean): Candidate[] {
  const cost = ({ costPerToken }: Candidate): number => costPerToken ?? Number.POSITIVE_INFINITY;
  return candidates
    .filter(({ available, model, secure }) => available && model !== '' && (!sensitive || secure))
    .sort((a, b) => (cost(a) === cost(b) ? 0 : cost(a) - cost(b)));
}

/** Names of the gateway before this one for providers that are called otherwise here. */
const otherNames: Readonly<Record<string, string>> = { grok: 'xai' };
const shownNames: Readonly<Record<string, string>> = { xai: 'grok' };

/** A provider's name as clients of these queries know it. */
export const shownProvider = (provider: string): string => shownNames[provider] ?? provider;
export const ownProvider = (name: string): string => otherNames[name] ?? name;

/** Where a query goes. */
export interface Target {
  readonly model: string;
  /** Models that are asked when that one fails. */
  readonly fallbacks: readonly string[];
  /** The gateway chose it. */
  readonly chosen: boolean;
}

/** Fallbacks that a call may have. */
const maxFallbacks = 16;

/**
 * @param at what comes before the names of fields in errors
 * @returns null when nobody is available
 * @throws GatewayError INVALID_REQUEST for a provider that is not there
 */
export function targetOf(
  asked: { readonly provider: string; readonly model: string },
  providers: QueryProviders,
  principal: Principal,
  at = '',
): Target | null {
  const named = ownProvider(asked.provider.toLowerCase());
  const isFree = named === '' || named === 'auto';
  if (!isFree || asked.model !== '') return namedTarget(isFree ? '' : named, asked.model, providers, at);
  const [first, ...others] = allowed(providers, principal, false);
  if (first === undefined) return null;
  return {
    model: first.model,
    fallbacks: others.slice(0, maxFallbacks).map(({ model }) => model),
    chosen: true,
  };
}

/** Models that a query goes to when its text is sensitive and those that it asks for may not have it. */
export const secureModelsOf = (providers: QueryProviders, principal: Principal): string[] =>
  allowed(providers, principal, true)
    .slice(0, maxFallbacks + 1)
    .map(({ model }) => model);

const allowed = (providers: QueryProviders, principal: Principal, sensitive: boolean): Candidate[] =>
  selectProvider(
    providers.candidates().filter(({ names }) => mayAsk(principal, names)),
    sensitive,
  );

export const noSuchProvider = (provider: string, at = ''): GatewayError =>
  invalidRequest(`${at}provider`, `there is no provider ${shownProvider(provider)}`);

function namedTarget(provider: string, model: string, providers: QueryProviders, at: string): Target {
  // A name that says its provider, or whose provider the catalogue knows.
  if (provider === '') return { model, fallbacks: [], chosen: false };
  const candidate = providers.find(provider);
  if (candidate === null) throw noSuchProvider(provider, at);
  if (model !== '') {
    return {
      model: providers.belongs(model, provider) ? model : `${candidate.prefix}${model}`,
      fallbacks: [],
      chosen: false,
    };
  }
  if (candidate.model === '')
    throw invalidRequest(
      `${at}model`,
      `provider ${shownProvider(provider)} has no model of its own here; name one`,
    );
  return { model: candidate.model, fallbacks: [], chosen: false };
}
