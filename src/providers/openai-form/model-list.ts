import type { DiscoveredModel } from '../provider.ts';

/** More models than this are not taken from one provider. */
export const maxDiscoveredModels = 10_000;

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const positive = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : undefined;

/**
 * The models of a `GET /models` reply: OpenAI's list, and the forms of those who add to it (`context_length` of
 * OpenRouter and of the inference service, `meta.n_ctx_train` of llama.cpp). What is not understood is left out.
 */
export function decodeModelList(json: unknown): DiscoveredModel[] {
  const data = isObject(json) && Array.isArray(json['data']) ? json['data'] : [];
  const models: DiscoveredModel[] = [];
  for (const entry of data.slice(0, maxDiscoveredModels)) {
    if (!isObject(entry) || typeof entry['id'] !== 'string' || entry['id'] === '') continue;
    const meta = isObject(entry['meta']) ? entry['meta'] : {};
    const top = isObject(entry['top_provider']) ? entry['top_provider'] : {};
    const contextWindow = positive(entry['context_length']) ?? positive(meta['n_ctx_train']);
    const maxOutputTokens = positive(top['max_completion_tokens']);
    models.push({
      id: entry['id'],
      ...(contextWindow === undefined ? {} : { contextWindow }),
      ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    });
  }
  return models;
}
