import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { GenerationParameters } from '../../gen/llmgateway/v1/generation_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Call, Stage } from './call.ts';

/** One parameter of a request: how to see that it is asked for, and how to leave it out. */
interface Parameter {
  /** The answer's form or meaning hangs on it: refused, unless the client wants it dropped. Otherwise it is a hint. */
  readonly essential: boolean;
  /** Name on the RPC faces. */
  readonly rpcField: string;
  readonly isSet: (request: CreateChatCompletionRequest) => boolean;
  readonly without: (request: CreateChatCompletionRequest) => CreateChatCompletionRequest;
}

const isGiven = (value: unknown): boolean => {
  if (value === undefined || value === '' || value === false) return false;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
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
function field(key: keyof GenerationParameters & string, rpcName: string, essential = false): Parameter {
  return {
    essential,
    rpcField: `parameters.${rpcName}`,
    isSet: (request) => isGiven(request.parameters?.[key]),
    without(request) {
      const { [key]: _left, ...rest } = request.parameters as GenerationParameters;
      const parameters = { ...rest, ...(key in empty ? { [key]: empty[key] } : {}) } as GenerationParameters;
      return { ...request, parameters };
    },
  };
}

/** By their names on the REST face; a provider lists what it cannot take in these terms. */
export const parameters: Readonly<Record<string, Parameter>> = {
  tools: {
    essential: true,
    rpcField: 'tools',
    isSet: (request) => request.tools.length > 0,
    without: ({ toolChoice: _, ...request }) => ({ ...request, tools: [] }),
  },
  tool_choice: {
    essential: true,
    rpcField: 'tool_choice',
    isSet: (request) => request.toolChoice !== undefined,
    without: ({ toolChoice: _, ...request }) => request,
  },
  response_format: field('responseFormat', 'response_format', true),
  n: {
    ...field('n', 'n', true),
    isSet: (request) => (request.parameters?.n ?? 1) > 1,
  },
  logprobs: field('logprobs', 'logprobs', true),
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

/**
 * Leaves out, or refuses, what the chosen provider cannot take, and says so in the call's report. A parameter on which the
 * answer's form hangs is refused, a hint is dropped; the request's `drop_params` sets one or the other for all.
 */
export const paramsStage: Stage = (next) => (call) => {
  const { route } = call;
  if (route !== null) {
    const unsupported = route.provider.unsupported(route.upstreamModel);
    if (unsupported.size > 0) call.request = withoutUnsupported(call, unsupported, route.provider.name);
  }
  return next(call);
};

function withoutUnsupported(
  call: Call,
  unsupported: ReadonlySet<string>,
  provider: string,
): CreateChatCompletionRequest {
  let { request } = call;
  const drop = request.options?.dropParams;
  for (const name of unsupported) {
    const parameter = parameters[name];
    if (parameter === undefined || !parameter.isSet(request)) continue;
    if (!(drop ?? !parameter.essential)) {
      throw new GatewayError(
        ErrorReason.UNSUPPORTED_PARAMETER,
        `provider ${provider} cannot take ${name} with model ${JSON.stringify(request.model)}`,
        { field: call.face === 'rpc' ? parameter.rpcField : name, provider },
      );
    }
    request = parameter.without(request);
    call.report.droppedParams.push(name);
  }
  return request;
}
