import {
  type Model,
  ModelCapability,
  type ModelPrice,
  SecurityLevel,
} from '../../gen/llmgateway/v1/models_service_pb.js';
import type { ModelsApi } from '../rpc/models-api.ts';
import { shownProvider } from '../rpc/query-providers.ts';
import { type RestHandler, sendJson, unescaped } from './exchange.ts';
import { sendFlat } from './platform-reply.ts';

/**
 * A model in OpenAI's form, with its sizes under the names that other servers of that form use for them, and what else the
 * gateway knows in a member of its own.
 */
const modelJson = (model: Model): Record<string, unknown> => ({
  id: model.id,
  object: 'model',
  created: model.createdAt,
  owned_by: model.provider,
  ...(model.contextWindow > 0 ? { context_window: model.contextWindow } : {}),
  ...(model.maxOutputTokens > 0 ? { max_output_tokens: model.maxOutputTokens } : {}),
  llm_gateway: {
    upstream_id: model.upstreamId,
    ...(model.aliases.length > 0 ? { aliases: model.aliases } : {}),
    capabilities: model.capabilities.map((capability) => ModelCapability[capability]?.toLowerCase()),
    ...(model.price === undefined ? {} : { price: priceJson(model.price) }),
    security_level: SecurityLevel[model.securityLevel]?.toLowerCase(),
    ...(model.fallbacks.length > 0 ? { fallbacks: model.fallbacks } : {}),
    discovered: model.discovered,
  },
});

/** USD for a million tokens. What is not known is not there. */
const priceJson = ({ variants, ...prices }: ModelPrice): Record<string, unknown> => ({
  ...ratesJson(prices),
  ...(variants.length === 0
    ? {}
    : {
        variants: variants.map(({ aboveTokens, serviceTier, price }) => ({
          ...(aboveTokens === 0 ? {} : { above: aboveTokens }),
          ...(serviceTier === '' ? {} : { service_tier: serviceTier }),
          ...(price === undefined ? {} : ratesJson(price)),
        })),
      }),
});

const ratesJson = (price: Omit<ModelPrice, 'variants'>): Record<string, unknown> => ({
  input: price.input,
  cached_input: price.cachedInput,
  cache_write: price.cacheWrite,
  cache_write_1h: price.cacheWrite1h,
  audio_input: price.audioInput,
  cached_audio_input: price.cachedAudioInput,
  image_input: price.imageInput,
  output: price.output,
  reasoning: price.reasoning,
  audio_output: price.audioOutput,
  request: price.request,
});

/** Models stay the same objects until their provider reports anew: there may be thousands. */
const texts = new WeakMap<Model, string>();

function modelText(model: Model): string {
  let text = texts.get(model);
  if (text === undefined) {
    text = JSON.stringify(modelJson(model));
    texts.set(model, text);
  }
  return text;
}

/** GET /v1/models. */
export const listModels =
  (api: ModelsApi): RestHandler =>
  (exchange) => {
    const query = new URLSearchParams(exchange.query);
    const models = api.listModels(
      {
        provider: query.get('provider') ?? '',
        includeUnavailable: query.get('include_unavailable') === 'true',
      },
      exchange.principal,
    );
    sendJson(exchange, 200, `{"object":"list","data":[${models.map(modelText).join(',')}]}`);
  };

/** GET /v1/models/{id}; the id may hold `/`, escaped or not. */
export const getModel =
  (api: ModelsApi): RestHandler =>
  (exchange) => {
    const id = exchange.path.replace(/^(\/v1)?\/models\//, '');
    sendJson(exchange, 200, modelText(api.getModel(unescaped(id), 'model', exchange.principal)));
  };

/** GET /providers, as the documentation platform has it. */
export const platformProviders =
  (api: ModelsApi): RestHandler =>
  (exchange) => {
    const providers = api.listProviders(exchange.principal).map((provider) => ({
      name: shownProvider(provider.name),
      type: provider.local ? 'local' : 'cloud',
      model: provider.defaultModel,
      security_level: SecurityLevel[provider.securityLevel]?.toLowerCase(),
      cost_per_token: provider.costPerToken ?? null,
      status: provider.available ? 'available' : 'unavailable',
      ...(provider.available ? {} : { reason: provider.unavailableReason }),
    }));
    sendFlat(exchange, JSON.stringify({ providers }));
  };

/** GET /v1/providers. */
export const listProviders =
  (api: ModelsApi): RestHandler =>
  (exchange) => {
    const available = api.listProviders(exchange.principal).filter((provider) => provider.available);
    const providers = Object.fromEntries(available.map(({ name, models }) => [name, models]));
    const body = { object: 'provider_list', providers, provider_names: Object.keys(providers) };
    sendJson(exchange, 200, JSON.stringify(body));
  };
