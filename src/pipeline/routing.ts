import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { ModelCapability } from '../../gen/llmgateway/v1/models_service_pb.js';
import { checkModel, mayAsk } from '../auth/models.ts';
import type { CatalogueEntry } from '../catalogue/catalogue.ts';
import { namesOf, type Resolved, type Resolver } from '../catalogue/resolve.ts';
import type { DeploymentGroup, Fallbacks } from '../config/deployments.ts';
import type { TimeoutOverrides } from '../config/providers.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Provider, Timeouts } from '../providers/provider.ts';
import type { Group } from '../resilience/plan.ts';
import type { Call, CallKind, Reply, Stage } from './call.ts';
import type { Deployment, RoutePlan } from './route.ts';

/** What routes are made of. */
export interface RoutingOptions {
  readonly resolver: Resolver;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly timeouts: Timeouts;
  /** Limits of single providers. */
  readonly providerTimeouts: ReadonlyMap<string, TimeoutOverrides>;
  readonly deployments: readonly DeploymentGroup[];
  readonly fallbacks: Fallbacks;
  readonly contextFallbacks: Fallbacks;
  /** Whether a model may have sensitive text. Default: none may. */
  readonly isSecure?: (provider: string, upstreamModel: string, entry: CatalogueEntry | null) => boolean;
}

/** Routes that are kept at most; clients use few names. */
const maxKept = 2_048;
const maxKeptLength = 256;

/** The one name of a fallback that means: none, not even those of the configuration. */
const noFallbacks = 'none';

/** Finds out where calls go. The latest results are kept. */
export class Router {
  readonly #options: RoutingOptions;
  readonly #groups: ReadonlyMap<string, DeploymentGroup>;
  readonly #kept: Readonly<Record<CallKind, Map<string, RoutePlan>>> = {
    chat: new Map(),
    embeddings: new Map(),
  };

  constructor(options: RoutingOptions) {
    this.#options = options;
    this.#groups = new Map(options.deployments.map((group) => [group.name, group]));
  }

  /**
   * All that may answer calls of a model.
   * @param kind what is asked of the model
   * @throws GatewayError that names what is missing: a call never goes to another provider than its name, or the configuration, says
   */
  plan(name: string, kind: CallKind): RoutePlan {
    const kept = this.#kept[kind];
    const known = kept.get(name);
    if (known !== undefined) return known;
    const group = this.#group(name, kind);
    const plan: RoutePlan = {
      ...group,
      // Vectors of two models cannot be compared.
      fallbacks: kind === 'chat' ? this.standIns(this.#fallbacksOf(name), kind) : [],
      contextFallbacks:
        kind === 'chat' ? this.standIns(this.#options.contextFallbacks.get(name) ?? [], kind) : [],
    };
    if (kept.size >= maxKept) kept.clear();
    if (name.length <= maxKeptLength) kept.set(name, plan);
    return plan;
  }

  /** The same with the models that a client names as its fallbacks. */
  withFallbacks(plan: RoutePlan, names: readonly string[], field: string): RoutePlan {
    if (names.length === 1 && names[0] === noFallbacks) {
      return { ...plan, fallbacks: [], contextFallbacks: [] };
    }
    return { ...plan, fallbacks: names.map((name, i) => this.#named(name, `${field}[${i}]`)) };
  }

  /** All that a model is called, whether it is there or not. @throws GatewayError INVALID_REQUEST for what is no name */
  namesOf(name: string): readonly string[] {
    const group = this.#groups.get(name);
    return group !== undefined && group.members.length > 1
      ? [name]
      : namesOf(name, this.#options.resolver.resolve(name));
  }

  /** Names of providers that deployments name and that are not there, with the deployment. */
  missing(): { readonly group: string; readonly model: string; readonly provider: string }[] {
    const { resolver, providers, deployments } = this.#options;
    return deployments.flatMap(({ name: group, members }) =>
      members.flatMap(({ model }) => {
        const { provider } = resolver.resolveMember(model);
        return providers.has(provider) ? [] : [{ group, model, provider }];
      }),
    );
  }

  #named(name: string, field: string): Group<Deployment> {
    try {
      return this.#group(name, 'chat');
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      throw new GatewayError(error.reason, error.rawMessage, { ...error.facts, field });
    }
  }

  #fallbacksOf(name: string): readonly string[] {
    const configured = this.#options.fallbacks.get(name);
    if (configured !== undefined) return configured;
    const { entry, exact } = this.#options.resolver.resolve(name);
    return exact && entry !== null ? entry.model.fallbacks : [];
  }

  /** Of the operator's models those that can be used here, in their order: files are shared by gateways with different keys. */
  standIns(names: readonly string[], kind: CallKind): Group<Deployment>[] {
    return names.flatMap((name) => {
      try {
        return [this.#group(name, kind)];
      } catch (error) {
        if (error instanceof GatewayError) return [];
        throw error;
      }
    });
  }

  #group(name: string, kind: CallKind): Group<Deployment> {
    const { resolver } = this.#options;
    const group = this.#groups.get(name);
    if (group === undefined) {
      const deployments = [deploymentOf(name, resolver.resolve(name), kind, 1, this.#options)];
      return { model: name, deployments, routing: 'order', sticky: false };
    }
    const { routing, sticky, hedge, members } = group;
    const deployments: Deployment[] = [];
    let lacking: unknown;
    for (const { model, weight } of members) {
      try {
        deployments.push(deploymentOf(model, resolver.resolveMember(model), kind, weight, this.#options));
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
        lacking ??= error;
      }
    }
    if (deployments.length === 0) throw lacking;
    return { model: name, deployments, routing, sticky, ...(hedge === undefined ? {} : { hedge }) };
  }
}

/**
 * Finds out where a call goes, and whether it may go there.
 * @param router read anew for each call, since a reload replaces it
 */
export function routingStage(router: () => Router): Stage {
  return (next) => (call) => {
    const plan = planOf(call, router());
    checkModel(call.principal, namesOfGroup(plan), call.request.model);
    call.plan = plan;
    const route = plan.deployments[0] as Deployment;
    call.route = route;
    return route.byDefault === true ? explained(next(call), call.request.model, route) : next(call);
  };
}

/** A name that is misspelt goes to the default provider as well, whose absence alone would tell the client nothing. */
const explained = (reply: Promise<Reply>, model: string, { provider }: Deployment): Promise<Reply> =>
  reply.catch((error: unknown) => {
    const isAbsence =
      error instanceof GatewayError &&
      error.reason === ErrorReason.UPSTREAM_UNREACHABLE &&
      error.facts.provider === provider.name;
    throw isAbsence
      ? error.saying(`no rule knows model ${shown(model)}, and the default ${error.rawMessage}`)
      : error;
  });

function planOf(call: Call, router: Router): RoutePlan {
  const { principal } = call;
  const plan = planned(router, call);
  const names = call.kind === 'chat' ? (call.request.options?.fallbacks ?? []) : [];
  if (names.length > 0) {
    const field = call.face === 'rpc' ? 'options.fallbacks' : 'fallbacks';
    const own = withOwnFallbacks(router, plan, call, names, field);
    for (const [i, group] of own.fallbacks.entries()) {
      checkModel(principal, namesOfGroup(group), group.model, `${field}[${i}]`);
    }
    return own;
  }
  if (principal.models === null || plan.fallbacks.length + plan.contextFallbacks.length === 0) return plan;
  const allowed = (group: Group<Deployment>): boolean => mayAsk(principal, namesOfGroup(group));
  return {
    ...plan,
    fallbacks: plan.fallbacks.filter(allowed),
    contextFallbacks: plan.contextFallbacks.filter(allowed),
  };
}

// Who may not ask a model is told so, and nothing of why it could not be asked anyway.

function planned(router: Router, { request: { model }, kind, principal }: Call): RoutePlan {
  try {
    return router.plan(model, kind);
  } catch (error) {
    if (principal.models !== null) checkModel(principal, router.namesOf(model), model);
    throw error;
  }
}

function withOwnFallbacks(
  router: Router,
  plan: RoutePlan,
  { principal }: Call,
  names: readonly string[],
  field: string,
): RoutePlan {
  try {
    return router.withFallbacks(plan, names, field);
  } catch (error) {
    if (principal.models !== null) {
      for (const [i, name] of names.entries())
        checkModel(principal, namesOr(router, name, error), name, `${field}[${i}]`);
    }
    throw error;
  }
}

/** @throws error for what is no name: it says which one */
function namesOr(router: Router, name: string, error: unknown): readonly string[] {
  try {
    return router.namesOf(name);
  } catch {
    throw error;
  }
}

/** All that a model is called. Who may ask a group of deployments may ask each of them. */
export const namesOfGroup = ({
  model,
  deployments: [first, ...others],
}: Group<Deployment>): readonly string[] =>
  first === undefined || others.length > 0 ? [model] : [model, ...first.names];

function deploymentOf(
  name: string,
  resolved: Resolved,
  kind: CallKind,
  weight: number,
  table: RoutingOptions,
): Deployment {
  const { provider: providerName, upstreamModel, entry, exact } = resolved;
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
  const price = entry?.model.price;
  return {
    provider,
    upstreamModel,
    timeouts: { ...table.timeouts, ...table.providerTimeouts.get(providerName), ...entry?.timeouts },
    weight,
    price: price === undefined ? Number.POSITIVE_INFINITY : (price.input ?? 0) + (price.output ?? 0),
    names: namesOf(name, resolved),
    secure: table.isSecure?.(providerName, upstreamModel, exact ? entry : null) === true,
    byDefault: resolved.byDefault === true,
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
