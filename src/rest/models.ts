import type { Model } from '../../gen/llmgateway/v1/models_service_pb.js';
import { invalidRequest } from '../errors/gateway-error.ts';
import type { ModelsApi } from '../rpc/models-api.ts';
import { type RestHandler, sendJson } from './exchange.ts';

/** A model in OpenAI's form, with what the gateway knows besides. */
const modelJson = (model: Model): Record<string, unknown> => ({
  id: model.id,
  object: 'model',
  created: model.createdAt,
  owned_by: model.provider,
  ...(model.contextWindow > 0 ? { context_window: model.contextWindow } : {}),
  ...(model.maxOutputTokens > 0 ? { max_output_tokens: model.maxOutputTokens } : {}),
});

/** GET /v1/models. */
export const listModels =
  (api: ModelsApi): RestHandler =>
  (exchange) => {
    const query = new URLSearchParams(exchange.query);
    const models = api.listModels({
      provider: query.get('provider') ?? '',
      includeUnavailable: query.get('include_unavailable') === 'true',
    });
    sendJson(exchange, 200, JSON.stringify({ object: 'list', data: models.map(modelJson) }));
  };

/** GET /v1/models/{id}; the id may hold `/`, escaped or not. */
export const getModel =
  (api: ModelsApi): RestHandler =>
  (exchange) => {
    const id = exchange.path.replace(/^(\/v1)?\/models\//, '');
    sendJson(exchange, 200, JSON.stringify(modelJson(api.getModel(unescaped(id)))));
  };

function unescaped(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    throw invalidRequest('model', 'the model id in the path is not valid percent-encoding');
  }
}

/** GET /v1/providers. */
export const listProviders =
  (api: ModelsApi): RestHandler =>
  (exchange) => {
    const available = api.listProviders().filter((provider) => provider.available);
    const providers = Object.fromEntries(available.map(({ name, models }) => [name, models]));
    const body = { object: 'provider_list', providers, provider_names: Object.keys(providers) };
    sendJson(exchange, 200, JSON.stringify(body));
  };
