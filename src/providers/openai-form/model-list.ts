import { ModelCapability } from '../../../gen/llmgateway/v1/models_service_pb.js';
import { isObject, type Json } from '../../codec/json.ts';
import { notUnderstood } from '../../codec/upstream-error.ts';
import {
  type DiscoveredModel,
  type DiscoveredPrice,
  maxDiscoveredModels,
  maxModelName,
} from '../provider.ts';

/**
 * The models of a `GET /models` reply: OpenAI's list, and the forms of those who add to it. What is not understood is left out,
 * so is every model beyond the bound. Sources: OpenRouter's API reference, llama.cpp's server, the inference service's contract,
 * and the lists of vLLM, Groq and Mistral for the names of the window.
 * @throws GatewayError when it is no list: an answer that makes no sense does not take models away
 */
export function decodeModelList(json: unknown, provider: string): DiscoveredModel[] {
  const list = listIn(json);
  if (list === null) throw notUnderstood(provider, 'it has no list of models');
  const besides = isObject(json) ? llamaCapabilities(json['models']) : new Map<string, string[]>();
  const models = new Map<string, DiscoveredModel>();
  for (const entry of list) {
    if (models.size >= maxDiscoveredModels) break;
    if (!isObject(entry)) continue;
    const { id } = entry;
    if (typeof id !== 'string' || id === '' || id.length > maxModelName || models.has(id)) continue;
    models.set(id, decodeModel(id, entry, besides.get(id)));
  }
  return [...models.values()];
}

function listIn(json: unknown): readonly unknown[] | null {
  if (Array.isArray(json)) return json;
  if (!isObject(json)) return null;
  return Array.isArray(json['data']) ? json['data'] : null;
}

function decodeModel(id: string, entry: Json, besides: readonly string[] | undefined): DiscoveredModel {
  const meta = objectAt(entry, 'meta');
  const top = objectAt(entry, 'top_provider');
  const contextWindow = firstSize(
    entry['context_length'],
    entry['context_window'],
    entry['max_model_len'],
    entry['max_context_length'],
    top['context_length'],
    // llama.cpp: what a slot has, or else what the model was trained with.
    meta['n_ctx'],
    meta['n_ctx_train'],
  );
  const maxOutputTokens = firstSize(
    top['max_completion_tokens'],
    entry['max_completion_tokens'],
    entry['max_output_tokens'],
  );
  const createdAt = firstSize(entry['created']);
  const price = decodePrice(objectAt(entry, 'pricing'));
  const capabilities = decodeCapabilities(entry, price, besides);
  return {
    id,
    ...(contextWindow === undefined ? {} : { contextWindow }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(price === undefined ? {} : { price }),
    ...(capabilities === undefined ? {} : { capabilities }),
  };
}

const objectAt = (json: Json, key: string): Json => {
  const value = json[key];
  return isObject(value) ? value : {};
};

const firstSize = (...values: unknown[]): number | undefined =>
  values.find(
    (value): value is number =>
      typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 0xffff_ffff,
  );

/**
 * OpenRouter's prices: texts of USD for one token. Below zero stands for one that depends on where the call goes. Only such texts
 * are read: others have numbers there, by the million.
 */
function decodePrice(pricing: Json): DiscoveredPrice | undefined {
  const input = perMillion(pricing['prompt']);
  const output = perMillion(pricing['completion']);
  if (input === undefined || output === undefined) return undefined;
  const cachedInput = perMillion(pricing['input_cache_read']);
  const cacheWrite = perMillion(pricing['input_cache_write']);
  return {
    input,
    ...(cachedInput === undefined ? {} : { cachedInput }),
    ...(cacheWrite === undefined ? {} : { cacheWrite }),
    output,
  };
}

function perMillion(text: unknown): number | undefined {
  if (typeof text !== 'string' || !/^\d/.test(text)) return undefined;
  const usd = Number(text) * 1e6;
  // Digits behind these come from the multiplication.
  return Number.isFinite(usd) ? Number(usd.toPrecision(12)) : undefined;
}

const inputCapabilities: ReadonlyMap<unknown, ModelCapability> = new Map([
  ['image', ModelCapability.VISION],
  ['audio', ModelCapability.AUDIO_INPUT],
  ['file', ModelCapability.FILES],
]);
const outputCapabilities: ReadonlyMap<unknown, readonly ModelCapability[]> = new Map([
  ['text', [ModelCapability.CHAT, ModelCapability.STREAMING]],
  ['audio', [ModelCapability.AUDIO_OUTPUT]],
  ['embeddings', [ModelCapability.EMBEDDINGS]],
]);
const parameterCapabilities: ReadonlyMap<unknown, ModelCapability> = new Map([
  ['tools', ModelCapability.TOOLS],
  ['structured_outputs', ModelCapability.STRUCTURED_OUTPUT],
  ['reasoning', ModelCapability.REASONING],
  ['include_reasoning', ModelCapability.REASONING],
  ['logprobs', ModelCapability.LOGPROBS],
]);

/** @returns undefined when the entry says nothing of them */
function decodeCapabilities(
  entry: Json,
  price: DiscoveredPrice | undefined,
  besides: readonly string[] | undefined,
): ModelCapability[] | undefined {
  const { input_modalities: inputs, output_modalities: outputs } = objectAt(entry, 'architecture');
  const parameters = entry['supported_parameters'];
  const found = new Set<ModelCapability>();
  if (Array.isArray(inputs)) for (const word of inputs) add(found, inputCapabilities.get(word));
  if (Array.isArray(outputs)) {
    for (const word of outputs) for (const one of outputCapabilities.get(word) ?? []) add(found, one);
  }
  if (Array.isArray(parameters)) for (const word of parameters) add(found, parameterCapabilities.get(word));
  if (besides?.includes('multimodal')) add(found, ModelCapability.VISION);
  const said = Array.isArray(outputs) || Array.isArray(parameters) || besides !== undefined;
  if (!said) return undefined;
  if (!Array.isArray(outputs)) found.add(ModelCapability.CHAT).add(ModelCapability.STREAMING);
  if (price?.cachedInput !== undefined) found.add(ModelCapability.PROMPT_CACHE);
  return [...found].sort((a, b) => a - b);
}

function add(found: Set<ModelCapability>, capability: ModelCapability | undefined): void {
  if (capability !== undefined) found.add(capability);
}

/** llama.cpp tells what its models can do in a second list, by `model` or `name`. */
function llamaCapabilities(models: unknown): Map<string, string[]> {
  const found = new Map<string, string[]>();
  if (!Array.isArray(models)) return found;
  for (const entry of models.slice(0, maxDiscoveredModels)) {
    if (!isObject(entry) || !Array.isArray(entry['capabilities'])) continue;
    const words = entry['capabilities'].filter((word) => typeof word === 'string');
    for (const name of [entry['model'], entry['name']]) if (typeof name === 'string') found.set(name, words);
  }
  return found;
}
