import { ModelCapability } from '../../../gen/llmgateway/v1/models_service_pb.js';
import { isObject, type Json } from '../../codec/json.ts';
import type { ThinkValue } from '../../codec/ollama-chat/dialect.ts';
import { notUnderstood } from '../../codec/upstream-error.ts';
import { maxDiscoveredModels, maxModelName } from '../provider.ts';

/** A model of GET /api/tags. */
export interface ListedModel {
  readonly name: string;
  /** Changes when the model behind the name does. */
  readonly digest: string;
  /** Unix seconds; 0 when not known. */
  readonly modifiedAt: number;
  /** It runs elsewhere: Ollama only passes it on. */
  readonly remote: boolean;
}

/** What POST /api/show says of a model. Unset: it does not say. */
export interface ModelFacts {
  readonly capabilities?: readonly ModelCapability[];
  /** Tokens. */
  readonly contextWindow?: number;
  readonly tools?: boolean;
  /** What `think` may be; none at all for a model that does not reason. */
  readonly think?: readonly ThinkValue[];
}

/** The models of GET /api/tags. @throws GatewayError when it is no list */
export function decodeTags(json: unknown, provider: string): ListedModel[] {
  const list = isObject(json) ? json['models'] : undefined;
  if (!Array.isArray(list)) throw notUnderstood(provider, 'it has no list of models');
  const models = new Map<string, ListedModel>();
  for (const entry of list) {
    if (models.size >= maxDiscoveredModels) break;
    const listed = isObject(entry) ? decodeTag(entry) : null;
    if (listed !== null && !models.has(listed.name)) models.set(listed.name, listed);
  }
  return [...models.values()];
}

function decodeTag({
  name,
  model,
  digest,
  modified_at: modified,
  remote_host: host,
}: Json): ListedModel | null {
  const given = [model, name].find((value) => typeof value === 'string' && value !== '');
  if (typeof given !== 'string' || given.length > maxModelName) return null;
  const time = typeof modified === 'string' ? Date.parse(modified) : Number.NaN;
  return {
    name: given,
    digest: typeof digest === 'string' ? digest : '',
    modifiedAt: time > 0 ? Math.floor(time / 1000) : 0,
    remote: typeof host === 'string' && host !== '',
  };
}

/**
 * What POST /api/show says. Sources: the API reference for `capabilities` and `thinking.values`; `model_info` has the architecture's
 * own keys, and `parameters` the Modelfile's, a line each.
 */
export function decodeShow(json: unknown): ModelFacts {
  if (!isObject(json)) return {};
  const { capabilities, thinking } = json;
  const given = Array.isArray(capabilities) ? capabilities.filter((word) => typeof word === 'string') : null;
  const contextWindow = windowOf(json);
  const think = thinkValues(thinking, given);
  return {
    ...(given === null ? {} : { capabilities: capabilitiesOf(given), tools: given.includes('tools') }),
    ...(contextWindow === undefined ? {} : { contextWindow }),
    ...(think === undefined ? {} : { think }),
  };
}

const capabilityWords: ReadonlyMap<string, readonly ModelCapability[]> = new Map([
  ['completion', [ModelCapability.CHAT, ModelCapability.STREAMING, ModelCapability.STRUCTURED_OUTPUT]],
  ['tools', [ModelCapability.TOOLS]],
  ['vision', [ModelCapability.VISION]],
  ['thinking', [ModelCapability.REASONING]],
  ['embedding', [ModelCapability.EMBEDDINGS]],
]);

const capabilitiesOf = (words: readonly string[]): ModelCapability[] =>
  [...new Set(words.flatMap((word) => capabilityWords.get(word) ?? []))].sort((a, b) => a - b);

/** Values and bounds of what a model says it takes. */
const maxThinkValues = 16;

function thinkValues(thinking: unknown, capabilities: readonly string[] | null): ThinkValue[] | undefined {
  const values = isObject(thinking) && Array.isArray(thinking['values']) ? thinking['values'] : [];
  const read = values
    .slice(0, maxThinkValues)
    .filter((value) => typeof value === 'boolean' || (typeof value === 'string' && value !== ''));
  if (read.length > 0) return read.every((value) => value === false) ? [] : read;
  if (capabilities === null || capabilities.includes('thinking')) return undefined;
  return [];
}

const isSize = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 0xffff_ffff;

/** The window that a call gets: what the model was made with, unless its Modelfile has a smaller one. */
function windowOf({ model_info: info, parameters }: Json): number | undefined {
  const sizes: number[] = [];
  if (isObject(info)) {
    const architecture = info['general.architecture'];
    const own = info[`${architecture}.context_length`];
    if (isSize(own)) sizes.push(own);
    else {
      const key = Object.keys(info).find((name) => name.endsWith('.context_length'));
      const other = key === undefined ? undefined : info[key];
      if (isSize(other)) sizes.push(other);
    }
  }
  const set = typeof parameters === 'string' ? /^\s*num_ctx\s+(\d+)\s*$/m.exec(parameters)?.[1] : undefined;
  if (set !== undefined && isSize(Number(set))) sizes.push(Number(set));
  return sizes.length === 0 ? undefined : Math.min(...sizes);
}
