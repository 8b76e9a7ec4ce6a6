import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { Resolver } from '../catalogue/resolve.ts';
import type { TimeoutOverrides } from '../config/providers.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Provider, Timeouts } from '../providers/provider.ts';
import type { Stage } from './call.ts';
import type { Route } from './route.ts';

/** What the routing stage decides by. */
export interface RoutingTable {
  readonly resolver: Resolver;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly timeouts: Timeouts;
  /** Limits of single providers. */
  readonly providerTimeouts: ReadonlyMap<string, TimeoutOverrides>;
}

/** Finds out where a call goes. @param table read anew for each call, since a reload replaces it */
export function routingStage(table: () => RoutingTable): Stage {
  return (next) => async (call) => {
    call.route = findRoute(call.request.model, table());
    return next(call);
  };
}

/** @throws GatewayError that names what is missing: a call never goes to another provider than its name says */
export function findRoute(name: string, table: RoutingTable): Route {
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
