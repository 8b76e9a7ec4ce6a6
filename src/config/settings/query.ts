import { alsoAs, hour, prefixed, type Setting, setting, time } from '../setting.ts';
import { providerNames, text } from '../values.ts';

const modelOf = (provider: string, fallback: string): Setting<string> => {
  const env = `${provider.toUpperCase()}_MODEL`;
  const doc = `Model that QueryService asks at ${provider} where none is named`;
  return alsoAs(setting(`query.models.${provider}`, env, text, fallback, doc), env);
};

/** How QueryService finds a model. */
export const querySettings = {
  queryProviders: alsoAs(
    setting(
      'query.providers',
      'QUERY_PROVIDERS',
      providerNames(1),
      ['ollama', 'llamacpp', 'inference', 'grok', 'anthropic', 'bedrock', 'openai'] as readonly string[],
      'Providers among which QueryService chooses the cheapest that is available; of equally cheap ones the first',
      'ollama,llamacpp,inference,grok,anthropic,bedrock,openai',
    ),
    prefixed('ALL_PROVIDERS'),
    'ALL_PROVIDERS',
  ),
  queryOllamaModel: modelOf('ollama', 'llama3'),
  queryOpenaiModel: modelOf('openai', 'gpt-4o'),
  queryAnthropicModel: modelOf('anthropic', 'claude-3-5-sonnet'),
  queryBedrockModel: modelOf('bedrock', 'anthropic.claude-3-sonnet-20240229-v1:0'),
  queryGrokModel: modelOf('grok', 'grok-4'),
  queryLlamacppModel: setting(
    'query.models.llamacpp',
    'LLAMACPP_MODEL',
    text,
    '',
    'The same at llama.cpp; without it the first model that it reports',
  ),
  queryInferenceModel: setting(
    'query.models.inference',
    'INFERENCE_MODEL',
    text,
    '',
    'The same at the inference service',
  ),
  queryEmbeddingModel: setting(
    'query.embedding_model',
    'EMBEDDING_MODEL',
    text,
    'text-embedding-ada-002',
    'Model of vectors that QueryService asks at OpenAI where none is named',
  ),
  queryOllamaEmbeddingModel: setting(
    'query.ollama_embedding_model',
    'OLLAMA_EMBEDDING_MODEL',
    text,
    'all-minilm',
    'The same at Ollama',
  ),
  conversationTtlMs: time(
    'query.conversation_ttl',
    'CONVERSATION_TTL',
    [60_000, 720 * hour],
    24 * hour,
    'How long a conversation of QueryService is remembered, from its first prompt on',
  ),
} as const;
