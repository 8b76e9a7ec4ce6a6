import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { CreateEmbeddingsRequest } from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { GenerationParameters } from '../../gen/llmgateway/v1/generation_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Call, Stage } from './call.ts';
import { wayOf } from './route.ts';

type Parameters<Request> = Readonly<Record<string, Parameter<Request>>>;
type ChatParameter = Parameter<CreateChatCompletionRequest>;

/** One parameter of a request: how to see that it is asked for, and how to leave it out. */
interface Parameter<Request> {
  /** The answer's form or meaning hangs on it: refused, unless the client wants it dropped. Otherwise it is a hint. */
  readonly essential: boolean;
  /** Name on the RPC faces. */
  readonly rpcField: string;
  readonly isSet: (request: Request) => boolean;
  /** It is there, but asks for nothing (`store: false`): left out without a word. */
  readonly isNeutral?: (request: Request) => boolean;
  readonly without: (request: Request) => Request;
}

const isEmpty = (value: object): boolean => Object.keys(value).length === 0;

const isGiven = (value: unknown): boolean => {
  if (value === undefined || value === '' || value === false) return false;
  if (typeof value === 'object' && value !== null) return !isEmpty(value);
  return true;
};

const empty: Partial<Record<keyof GenerationParameters, unknown>> = {
  stop: [],
  modalities: [],
  logitBias: {},
  metadata: {},
  reasoningEffort: '',
  audioJson: '',
  predictionJson: '',
  verbosity: '',
  serviceTier: '',
  webSearchOptionsJson: '',
  promptCacheKey: '',
  promptCacheRetention: '',
  promptCacheOptionsJson: '',
  safetyIdentifier: '',
  user: '',
  moderationJson: '',
};

/** A parameter that is a field of `parameters`. */
function field(key: keyof GenerationParameters & string, rpcName: string, essential = false): ChatParameter {
  return {
    essential,
    rpcField: `parameters.${rpcName}`,
    isSet: (request) => isGiven(request.parameters?.[key]),
    isNeutral(request) {
      const value = request.parameters?.[key];
      return value !== undefined && value !== '' && !(typeof value === 'object' && isEmpty(value));
    },
    without(request) {
      const { [key]: _left, ...rest } = request.parameters as GenerationParameters;
      const parameters = { ...rest, ...(key in empty ? { [key]: empty[key] } : {}) } as GenerationParameters;
      return { ...request, parameters };
    },
  };
}

/** Members that OpenAI's API has for tools and the contract has no fields for: older names, choices of hosted tools. */
const hasExtra = ({ extras }: CreateChatCompletionRequest, key: string): boolean =>
  extras?.json.includes(`"${key}"`) === true && Object.hasOwn(JSON.parse(extras.json), key);

function withoutExtras<Request extends Pick<CreateChatCompletionRequest, 'extras'>>(
  request: Request,
  keys: readonly string[],
): Request {
  if (request.extras === undefined) return request;
  const json = JSON.parse(request.extras.json) as Record<string, unknown>;
  for (const key of keys) delete json[key];
  return { ...request, extras: { ...request.extras, json: JSON.stringify(json) } };
}

/** Those of chat calls by their names on the REST face; a provider lists what it cannot take in these terms. */
export const parameters: Parameters<CreateChatCompletionRequest> = {
  tools: {
    essential: true,
    rpcField: 'tools',
    isSet: (request) => request.tools.length > 0 || hasExtra(request, 'functions'),
    without: ({ toolChoice: _, ...request }) => ({
      ...withoutExtras(request, ['tool_choice', 'functions', 'function_call']),
      tools: [],
    }),
  },
  tool_choice: {
    essential: true,
    rpcField: 'tool_choice',
    isSet: (request) => request.toolChoice !== undefined || hasExtra(request, 'tool_choice'),
    without: ({ toolChoice: _, ...request }) => withoutExtras(request, ['tool_choice', 'function_call']),
  },
  response_format: field('responseFormat', 'response_format', true),
  n: {
    ...field('n', 'n', true),
    isSet: (request) => (request.parameters?.n ?? 1) > 1,
  },
  logprobs: {
    ...field('logprobs', 'logprobs', true),
    without: (request) => {
      const { logprobs: _, topLogprobs: __, ...rest } = request.parameters as GenerationParameters;
      return { ...request, parameters: rest };
    },
  },
  top_logprobs: field('topLogprobs', 'top_logprobs', true),
  stop: field('stop', 'stop', true),
  modalities: {
    ...field('modalities', 'modalities', true),
    isSet: (request) => request.parameters?.modalities.some((modality) => modality !== 'text') ?? false,
  },
  audio: field('audioJson', 'audio_json', true),
  web_search_options: field('webSearchOptionsJson', 'web_search_options_json', true),
  max_tokens: field('maxOutputTokens', 'max_output_tokens', true),
  moderation: field('moderationJson', 'moderation_json', true),
  temperature: field('temperature', 'temperature'),
  top_p: field('topP', 'top_p'),
  top_k: field('topK', 'top_k'),
  presence_penalty: field('presencePenalty', 'presence_penalty'),
  frequency_penalty: field('frequencyPenalty', 'frequency_penalty'),
  logit_bias: field('logitBias', 'logit_bias'),
  seed: field('seed', 'seed'),
  reasoning_effort: field('reasoningEffort', 'reasoning_effort'),
  parallel_tool_calls: {
    ...field('parallelToolCalls', 'parallel_tool_calls'),
    isSet: (request) => request.parameters?.parallelToolCalls !== undefined,
  },
  prediction: field('predictionJson', 'prediction_json'),
  verbosity: field('verbosity', 'verbosity'),
  service_tier: field('serviceTier', 'service_tier'),
  store: field('store', 'store'),
  metadata: field('metadata', 'metadata'),
  prompt_cache_key: field('promptCacheKey', 'prompt_cache_key'),
  prompt_cache_retention: field('promptCacheRetention', 'prompt_cache_retention'),
  prompt_cache_options: field('promptCacheOptionsJson', 'prompt_cache_options_json'),
  safety_identifier: field('safetyIdentifier', 'safety_identifier'),
  user: field('user', 'user'),
};

/** Those of embeddings calls. Without its task a vector is less apt, but still one. */
export const embeddingsParameters: Parameters<CreateEmbeddingsRequest> = {
  dimensions: {
    essential: true,
    rpcField: 'dimensions',
    isSet: ({ dimensions }) => dimensions !== undefined,
    without: ({ dimensions: _, ...request }) => request,
  },
  task_type: {
    essential: false,
    rpcField: 'task_type',
    isSet: ({ taskType }) => taskType !== '',
    without: (request) => ({ ...request, taskType: '' }),
  },
  user: {
    essential: false,
    rpcField: 'user',
    isSet: ({ user }) => user !== '',
    without: (request) => ({ ...request, user: '' }),
  },
};

const sameName = (name: string): string => name;

/** What a parameter is called in OpenAI's older form of tools. */
const olderName = (name: string): string =>
  name === 'tools' ? 'functions' : name === 'tool_choice' ? 'function_call' : name;

/**
 * Leaves out, or refuses, what the chosen provider cannot take, and says so in the call's report. A parameter on which the
 * answer's form hangs is refused, a hint is dropped; the request's `drop_params` sets one or the other for all.
 */
export const paramsStage: Stage = (next) => (call) => {
  const { route } = call;
  if (route !== null) {
    const unsupported = (call.kind === 'chat' ? wayOf(call, route.provider) : route.provider).unsupported(
      route.upstreamModel,
    );
    if (unsupported.size > 0) {
      if (call.kind === 'chat') {
        const drop = call.request.options?.dropParams;
        const nameOf = call.request.parameters?.legacyFunctions === true ? olderName : sameName;
        const { ignored } = route.provider;
        call.request = withoutUnsupported(call, call.request, parameters, unsupported, drop, nameOf, ignored);
      } else {
        const drop = call.request.dropParams;
        call.request = withoutUnsupported(call, call.request, embeddingsParameters, unsupported, drop);
      }
    }
  }
  return next(call);
};

function withoutUnsupported<Request>(
  call: Call,
  given: Request,
  table: Parameters<Request>,
  unsupported: ReadonlySet<string>,
  drop: boolean | undefined,
  nameOf = sameName,
  ignored?: ReadonlySet<string>,
): Request {
  let request = given;
  for (const key of unsupported) {
    const parameter = table[key];
    const name = nameOf(key);
    if (parameter === undefined) continue;
    if (!parameter.isSet(request)) {
      if (parameter.isNeutral?.(request)) request = parameter.without(request);
      continue;
    }
    if (!(drop ?? (!parameter.essential || ignored?.has(key) === true))) {
      const provider = call.route?.provider.name ?? '';
      throw new GatewayError(
        ErrorReason.UNSUPPORTED_PARAMETER,
        `provider ${provider} cannot take ${written(call, name)} with model ${JSON.stringify(call.request.model)}`,
        { field: call.face === 'rpc' ? rpcFieldOf(call, parameter.rpcField) : written(call, name), provider },
      );
    }
    call.report.droppedParams.push(written(call, name));
    request = parameter.without(request);
  }
  return request;
}

const isResponse = (call: Call): boolean => call.kind === 'chat' && call.api === 'responses';

/** Names that the Responses API has for parameters of the chat API. */
const responseNames: Readonly<Record<string, string>> = {
  max_tokens: 'max_output_tokens',
  response_format: 'text.format',
  verbosity: 'text.verbosity',
  reasoning_effort: 'reasoning.effort',
};

/** A parameter's name as its client wrote it. */
function written(call: Call, name: string): string {
  if (call.kind !== 'chat' || !isResponse(call)) return name;
  if (name === 'logprobs') {
    return call.request.parameters?.topLogprobs === undefined ? 'include' : 'top_logprobs';
  }
  return responseNames[name] ?? name;
}

const rpcFieldOf = (call: Call, field: string): string => (isResponse(call) ? `parameters.${field}` : field);
