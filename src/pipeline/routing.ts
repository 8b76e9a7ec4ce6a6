import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { ModelCapability } from '../../gen/llmgateway/v1/models_service_pb.js';
import { checkModel } from '../auth/models.ts';
import type { CatalogueEntry } from '../catalogue/catalogue.ts';
import type { Resolver } from '../catalogue/resolve.ts';
import type { TimeoutOverrides } from '../config/providers.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Provider, Timeouts } from '../providers/provider.ts';
import type { CallKind, Stage } from './call.ts';
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
  readonly #kept: Readonly<Record<CallKind, Map<string, Route>>> = { chat: new Map(), embeddings: new Map() };

  constructor(options: RoutingOptions) {
    this.#options = options;
  }

  /**
   * @param kind what is asked of the model
   * @throws GatewayError that names what is missing: a call never goes to another provider than its name says
   */
  route(name: string, kind: CallKind): Route {
    const kept = this.#kept[kind];
    const known = kept.get(name);
    if (known !== undefined) return known;
    const route = findRoute(name, kind, this.#options);
    if (kept.size >= maxKept) kept.clear();
    if (name.length <= maxKeptLength) kept.set(name, route);
    return route;
  }
}

/**
 * Finds out where a call goes, and whether it may go there.
 * @param router read anew for each call, since a reload replaces it
 */
export function routingStage(router: () => Router): Stage {
  return (next) => (call) => {
    const { model } = call.request;
    const route = router().route(model, call.kind);
    checkModel(call.principal, route.names, model);
    call.route = route;
    return next(call);
  };
}

function findRoute(name: string, kind: CallKind, table: RoutingOptions): Route {
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
  const lack = exact && entry !== null ? lackOf(entry, kind) : null;
  if (lack !== null) {
    throw new GatewayError(ErrorReason.MODEL_NOT_SUPPORTED, `model ${shown(name)} ${lack}`, facts);
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
    timeouts: { ...table.timeouts, ...table.providerTimeouts.get(providerName), ...entry?.timeouts },
    names: [name, ...(exact && entry !== null ? [entry.model.id] : []), `${providerName}/${upstreamModel}`],
  };
}

/**
 * Why a model of the catalogue cannot do what is asked; null when it may. A model that the catalogue does not say to have embeddings
 * may have some: servers make vectors with chat models, too.
 */
function lackOf({ model, responsesOnly }: CatalogueEntry, kind: CallKind): string | null {
  if (responsesOnly) {
    return kind === 'chat' ? 'has no chat completions; use POST /v1/responses' : 'has no embeddings';
  }
  const { capabilities } = model;
  if (kind === 'embeddings' || capabilities.includes(ModelCapability.CHAT)) return null;
  return capabilities.includes(ModelCapability.EMBEDDINGS)
    ? 'has no chat completions; use POST /v1/embeddings'
    : null;
}

const shown = (name: string): string => JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
