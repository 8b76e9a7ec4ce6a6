import { ModelCapability } from '../../gen/llmgateway/v1/models_service_pb.js';
import type { Config } from '../config/load.ts';
import { toGatewayError } from '../errors/gateway-error.ts';
import type { Logger } from '../observability/log.ts';
import { documentOf, interactionOf } from '../rpc/interaction.ts';
import type { Remember } from '../rpc/query-api.ts';
import { type Candidate, ownProvider, type QueryProviders } from '../rpc/query-providers.ts';
import type { Settled } from './settled.ts';

/** Models where none is named, by the gateway's names of providers. */
const models = {
  ollama: 'queryOllamaModel',
  llamacpp: 'queryLlamacppModel',
  inference: 'queryInferenceModel',
  xai: 'queryGrokModel',
  anthropic: 'queryAnthropicModel',
  bedrock: 'queryBedrockModel',
  openai: 'queryOpenaiModel',
} as const satisfies Record<string, keyof Config>;

/** What queries may ask. */
export function queryProviders(settled: () => Settled): QueryProviders {
  let known: {
    readonly of: Settled;
    readonly seen: readonly unknown[];
    readonly byName: Map<string, Candidate>;
  } | null = null;
  /** Made anew when something was learned of a provider, not for each query. */
  const byName = (): Map<string, Candidate> => {
    const current = settled();
    const seen = seenOf(current);
    if (known === null || known.of !== current || seen.some((one, i) => one !== known?.seen[i]))
      known = { of: current, seen, byName: all(current) };
    return known.byName;
  };
  return {
    candidates() {
      const found = byName();
      return settled().config.queryProviders.flatMap((name) => found.get(ownProvider(name)) ?? []);
    },
    find: (provider) => byName().get(provider) ?? null,
    reasons(model) {
      try {
        return settled().models.resolve(model)?.capabilities.includes(ModelCapability.REASONING) === true;
      } catch {
        return false;
      }
    },
    belongs(model, provider) {
      try {
        return settled().models.providerOf(model) === provider;
      } catch {
        return false;
      }
    },
  };
}

/** What providers have said of themselves. */
const seenOf = ({ config, discovery }: Settled): unknown[] =>
  config.providers.flatMap(({ name }) => [discovery.reachable(name), discovery.modelsOf(name)]);

function all(current: Settled): Map<string, Candidate> {
  const { config, models: known } = current;
  const found = new Map<string, Candidate>();
  for (const { name, prefixes, available } of known.providers()) {
    const own = `${name}/`;
    const prefix = prefixes.includes(own) ? own : (prefixes[0] ?? own);
    const upstream = modelOf(name, current);
    const model = upstream === '' ? '' : `${prefix}${upstream}`;
    const resolved = model === '' ? null : known.resolve(model);
    const { price } =
      model === '' ? { price: undefined } : known.priceOf(name, resolved?.upstreamId ?? upstream);
    const isFree = config.providers.some((one) => one.name === name && one.free);
    const { input, output } = price ?? {};
    const rates = [input, output].filter((rate) => rate !== undefined);
    const mean = rates.length === 0 ? null : rates.reduce((sum, rate) => sum + rate, 0) / rates.length / 1e6;
    found.set(name, {
      provider: name,
      prefix,
      model,
      upstreamModel: resolved?.upstreamId ?? upstream,
      free: isFree,
      names: model === '' ? [] : known.namesOf(model),
      costPerToken: isFree ? 0 : mean,
      secure: isSecure(model, current),
      available,
    });
  }
  return found;
}

const isSecure = (model: string, { router }: Settled): boolean =>
  model !== '' &&
  router
    .standIns([model], 'chat')
    .some(({ deployments }) => deployments.every(({ secure }) => secure === true));

/** A provider's model where none is named, as the provider calls it; '' when there is none. */
function modelOf(name: string, { config, models: known, discovery }: Settled): string {
  const setting = Object.hasOwn(models, name) ? models[name as keyof typeof models] : undefined;
  const usual = setting === undefined ? '' : config[setting];
  if (setting !== undefined && config.given.includes(setting)) return usual;
  const reported = discovery.modelsOf(name);
  const isThere = ({ id, aliases = [] }: (typeof reported)[number]): boolean =>
    [id, ...aliases].some((one) => one === usual || one === `${usual}:latest`);
  if (usual !== '' && (reported.length === 0 || reported.some(isThere))) return usual;
  const first =
    reported.find(
      ({ capabilities }) => capabilities === undefined || capabilities.includes(ModelCapability.CHAT),
    )?.id ??
    known.modelsOf(name).find(({ capabilities }) => capabilities.includes(ModelCapability.CHAT))?.upstreamId;
  // Only what runs here is known by what it reports.
  return reported.length > 0 || usual === '' ? (first ?? usual) : usual;
}

/** Notes about answers under way at most; what comes beyond them is not noted. */
const maxNoting = 64;

/** Tells the memory agent of answers, where it has an address, and the document store of those that are to be kept there. */
export function remembering(settled: () => Settled, log: Logger): Remember {
  let noting = 0;
  return (prompt, answer, { requestId, principal }) => {
    const { config, integrations } = settled();
    const note = (service: string, operation: string, args: Record<string, unknown>): void => {
      if (noting >= maxNoting) {
        log.debug('an answer is not noted: too many are being noted', { service, request_id: requestId });
        return;
      }
      noting++;
      const asker = { requestId, signal: AbortSignal.timeout(config.integrationTimeoutMs) };
      integrations
        .call(service, operation, args, asker, config.integrationOptionalTimeoutMs)
        .catch((error: unknown) =>
          log.debug('an answer could not be noted', {
            service,
            request_id: requestId,
            error: error instanceof Error ? error.message : toGatewayError(error).rawMessage,
          }),
        )
        .finally(() => noting--);
    };
    if (config.integrationRemember && integrations.isGiven('memory_agent'))
      note('memory_agent', 'store_interaction', interactionOf(prompt, answer, principal));
    if (prompt.storeInteraction) note('doc_store', 'store', documentOf(prompt, answer));
  };
}
