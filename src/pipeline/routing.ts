import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { Resolver } from '../catalogue/resolve.ts';
import type { TimeoutOverrides } from '../config/providers.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Provider, Timeouts } from '../providers/provider.ts';
import type { Stage } from './call.ts';
import type { Route } from './route.ts';

/** What routes are made of. */
export interface RoutingOptions {
  readonly resolver: Resolver;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly timeouts: Timeouts;
  /** Limits of single providers. */
  readonly providerTimeouts: ReadonlyMap<string, TimeoutOverrides>;
}

/** Routes that are kept at most; clients use few names. */
const maxKept = 2_048;
const maxKeptLength = 256;

/** Finds out where calls go. The latest results are kept. */
export class Router {
  readonly #options: RoutingOptions;
  readonly #kept = new Map<string, Route>();

  constructor(options: RoutingOptions) {
    this.#options = options;
  }

  /** @throws GatewayError that names what is missing: a call never goes to another provider than its name says */
  route(name: string): Route {
    const kept = this.#kept.get(name);
    if (kept !== undefined) return kept;
    const route = findRoute(name, this.#options);
    if (this.#kept.size >= maxKept) this.#kept.clear();
    if (name.length <= maxKeptLength) this.#kept.set(name, route);
    return route;
  }
}

/** Finds out where a call goes. @param router read anew for each call, since a reload replaces it */
export function routingStage(router: () => Router): Stage {
  return (next) => (call) => {
    call.route = router().route(call.request.model);
    return next(call);
  };
}

function findRoute(name: string, table: RoutingOptions): Route {
  const { provider: providerName, upstreamModel, entry, exact } = table.resolver.resolve(name);
  const facts = { field: 'model', provider: providerName };
  const provider = table.providers.get(providerName);
  if (provider === undefined) {
    throw new GatewayError(
      ErrorReason.MODEL_NOT_FOUND,
      `model ${shown(name)} belongs to provider ${providerName}, which is not available here`,
      facts,
    );
  }
  if (exact && entry?.responsesOnly) {
    throw new GatewayError(
      ErrorReason.MODEL_NOT_SUPPORTED,
      `model ${shown(name)} has no chat completions; use POST /v1/responses`,
      facts,
    );
  }
  if (provider.missing !== null) {
    throw new GatewayError(
      ErrorReason.PROVIDER_NOT_CONFIGURED,
      `model ${shown(name)}: ${provider.missing}`,
      facts,
    );
  }
  return {
    provider,
    upstreamModel,
    modelId: exact && entry !== null ? entry.model.id : null,
    timeouts: { ...table.timeouts, ...table.providerTimeouts.get(providerName), ...entry?.timeouts },
  };
}

const shown = (name: string): string => JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
