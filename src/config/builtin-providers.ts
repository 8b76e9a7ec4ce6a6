import { chatParameters, formParameters } from './request-parameters.ts';

/** Wire forms that a provider may have; `fake` and `mock` are in this process, `cli` beside it. */
export const wireForms = ['openai', 'anthropic', 'google', 'ollama', 'bedrock'] as const;
export type ProviderForm = (typeof wireForms)[number] | 'fake' | 'mock' | 'cli';

/** Forms without an address: nothing goes over the network. */
export const localForms: ReadonlySet<ProviderForm | undefined> = new Set<ProviderForm>([
  'fake',
  'mock',
  'cli',
]);

/** What a provider is when nothing is configured. */
export interface BuiltinProvider {
  readonly form: ProviderForm;
  /** Address in the meaning of the provider's own SDK. */
  readonly baseUrl: string;
  /** What comes between that address and `/chat/completions`. */
  readonly apiPath: string;
  /** Environment variables of its key, without the prefixed ones; none: it needs no key. */
  readonly keys: readonly string[];
  /** It answers without its key, too. */
  readonly keyOptional?: boolean;
  /** Older environment variables of its address. */
  readonly urls?: readonly string[];
  readonly prefixes: readonly string[];
  readonly securityLevel: 'low' | 'medium' | 'high';
  readonly discovery?: boolean;
  /** How a provider of the OpenAI form is asked for vectors; `none`: it has no embeddings. Default `none`. */
  readonly embeddings?: 'base64' | 'float' | 'none';
  /** A provider of the OpenAI form that has the Responses API as well. */
  readonly responses?: boolean;
  /** Nobody is paid for its answers. */
  readonly free?: boolean;
  /** One that compacts conversations by that API. */
  readonly compaction?: boolean;
  /** It is not there unless it is wanted: enabled in the file, or named by `LLM_BACKEND`. */
  readonly optional?: boolean;
  readonly dialect?: Readonly<Record<string, unknown>>;
  readonly unsupported?: readonly string[];
}

/** What Claude has no parameter for, by whatever provider it is asked. */
const unknownToClaude = [
  'n',
  'logprobs',
  'top_logprobs',
  'modalities',
  'audio',
  'web_search_options',
  'moderation',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'seed',
  'prediction',
  'verbosity',
  'store',
  'prompt_cache_key',
  'prompt_cache_retention',
  'prompt_cache_options',
];

/** What local servers do not know. */
const unknownLocally = [
  'modalities',
  'audio',
  'web_search_options',
  'moderation',
  'prediction',
  'verbosity',
  'service_tier',
  'store',
  'metadata',
  'prompt_cache_key',
  'prompt_cache_retention',
  'prompt_cache_options',
  'safety_identifier',
  'user',
  'task_type',
];

/**
 * The providers of each form. Sources of the differences: each provider's API reference, and what
 * their recorded traffic shows.
 */
export const builtinProviders: Readonly<Record<string, BuiltinProvider>> = {
  openai: {
    form: 'openai',
    baseUrl: 'https://api.openai.com/v1',
    apiPath: '',
    keys: ['OPENAI_API_KEY'],
    prefixes: ['openai/'],
    securityLevel: 'medium',
    embeddings: 'base64',
    responses: true,
    compaction: true,
    unsupported: ['top_k', 'task_type'],
  },
  anthropic: {
    form: 'anthropic',
    baseUrl: 'https://api.anthropic.com',
    apiPath: '',
    keys: ['ANTHROPIC_API_KEY'],
    prefixes: ['anthropic/'],
    securityLevel: 'medium',
    unsupported: [...unknownToClaude, 'metadata'],
  },
  deepseek: {
    form: 'openai',
    baseUrl: 'https://api.deepseek.com',
    apiPath: '',
    keys: ['DEEPSEEK_API_KEY'],
    prefixes: ['deepseek/', 'deepseek-api/'],
    securityLevel: 'low',
    dialect: {
      maxTokens: 'max_tokens',
      historyReasoning: 'required',
      developerRole: 'system',
      cacheMarker: 'none',
    },
    unsupported: [
      'n',
      'modalities',
      'audio',
      'web_search_options',
      'moderation',
      'logit_bias',
      'seed',
      'prediction',
      'verbosity',
      'service_tier',
      'store',
      'metadata',
      'prompt_cache_key',
      'prompt_cache_retention',
      'prompt_cache_options',
      'safety_identifier',
      'parallel_tool_calls',
      'top_k',
      'user',
    ],
  },
  openrouter: {
    form: 'openai',
    baseUrl: 'https://openrouter.ai/api/v1',
    apiPath: '',
    keys: ['OPENROUTER_API_KEY'],
    prefixes: ['openrouter/'],
    securityLevel: 'medium',
    responses: true,
    embeddings: 'base64',
    dialect: {
      maxTokens: 'as-given',
      reasoningKey: 'reasoning',
      historyReasoning: 'send',
      historyImages: 'send',
      fileUrls: 'send',
      cacheMarker: 'cache_control',
      reasoningBudget: 'reasoning.max_tokens',
    },
    discovery: true,
    unsupported: ['n'],
  },
  xai: {
    form: 'openai',
    baseUrl: 'https://api.x.ai/v1',
    apiPath: '',
    keys: ['XAI_API_KEY', 'GROK_API_KEY'],
    prefixes: ['xai/', 'grok/'],
    securityLevel: 'medium',
    responses: true,
    // Source: docs.x.ai, Context Compaction.
    compaction: true,
    dialect: { maxTokens: 'as-given', historyReasoning: 'send', cacheMarker: 'none' },
    unsupported: [
      'modalities',
      'audio',
      'moderation',
      'prediction',
      'verbosity',
      'store',
      'metadata',
      'prompt_cache_retention',
      'prompt_cache_options',
      'safety_identifier',
      'logit_bias',
      'top_k',
    ],
  },
  llamacpp: {
    form: 'openai',
    // llama.cpp's own default port is 8080, which is ours as well.
    baseUrl: 'http://localhost:8087/v1',
    apiPath: '',
    keys: [],
    prefixes: ['llamacpp/', 'llamacpp:', 'gguf/'],
    securityLevel: 'high',
    free: true,
    discovery: true,
    embeddings: 'base64',
    dialect: {
      maxTokens: 'max_tokens',
      historyReasoning: 'send',
      developerRole: 'system',
      cacheMarker: 'none',
    },
    unsupported: unknownLocally,
  },
  inference: {
    form: 'openai',
    baseUrl: 'http://localhost:8085',
    apiPath: '/v1',
    keys: [],
    urls: ['LLM_GATEWAY_INFERENCE_SERVICE_URL', 'INFERENCE_SERVICE_URL'],
    prefixes: ['inference/', 'local/'],
    securityLevel: 'high',
    free: true,
    discovery: true,
    embeddings: 'float',
    dialect: {
      maxTokens: 'max_tokens',
      historyReasoning: 'drop',
      developerRole: 'system',
      cacheMarker: 'none',
    },
    unsupported: unknownLocally,
  },
  ollama: {
    form: 'ollama',
    baseUrl: 'http://localhost:11434',
    apiPath: '',
    // Only the hosted one asks for it.
    keys: ['OLLAMA_API_KEY'],
    keyOptional: true,
    urls: ['LLM_GATEWAY_OLLAMA_URL', 'OLLAMA_URL', 'LLM_GATEWAY_OLLAMA_ENDPOINT', 'OLLAMA_ENDPOINT'],
    prefixes: ['ollama/'],
    securityLevel: 'high',
    free: true,
    discovery: true,
    unsupported: [...unknownLocally, 'n', 'logit_bias', 'parallel_tool_calls'],
  },
  google: {
    form: 'google',
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
    apiPath: '',
    keys: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
    prefixes: ['google/', 'gemini/'],
    securityLevel: 'medium',
    unsupported: [
      'web_search_options',
      'moderation',
      'logit_bias',
      'parallel_tool_calls',
      'prediction',
      'verbosity',
      'store',
      'metadata',
      'prompt_cache_key',
      'prompt_cache_retention',
      'prompt_cache_options',
      'safety_identifier',
      'user',
    ],
  },
  bedrock: {
    form: 'bedrock',
    baseUrl: 'https://bedrock-runtime.{region}.amazonaws.com',
    apiPath: '',
    keys: ['AWS_BEARER_TOKEN_BEDROCK'],
    prefixes: ['bedrock/'],
    securityLevel: 'high',
    unsupported: [...unknownToClaude, 'parallel_tool_calls', 'safety_identifier', 'user'],
  },
  fake: {
    form: 'fake',
    baseUrl: '',
    apiPath: '',
    keys: [],
    prefixes: ['fake/'],
    securityLevel: 'high',
    free: true,
  },
  cli: {
    form: 'cli',
    baseUrl: '',
    apiPath: '',
    keys: [],
    prefixes: ['cli/'],
    securityLevel: 'medium',
    free: true,
    discovery: true,
    optional: true,
    // The program has arguments for few of them, and only at its start.
    unsupported: chatParameters,
  },
  mock: {
    form: 'mock',
    baseUrl: '',
    apiPath: '',
    keys: [],
    prefixes: ['mock/'],
    securityLevel: 'high',
    free: true,
    optional: true,
    unsupported: formParameters.filter((name) => name !== 'max_tokens'),
  },
};
