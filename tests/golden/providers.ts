/** Whom every conversation is said to: a name of the files, the provider in the configuration, and a model of it. */
export interface GoldenProvider {
  readonly name: string;
  readonly provider: string;
  readonly model: string;
}

/** In the order of the table in docs/providers.md. */
export const providers: readonly GoldenProvider[] = [
  { name: 'openai', provider: 'openai', model: 'gpt-5.2' },
  { name: 'anthropic', provider: 'anthropic', model: 'claude-sonnet-4-5' },
  { name: 'anthropic-newer', provider: 'anthropic', model: 'claude-opus-4-8' },
  { name: 'google', provider: 'google', model: 'gemini-2.5-flash' },
  { name: 'google-newer', provider: 'google', model: 'gemini-3-pro-preview' },
  { name: 'bedrock-claude', provider: 'bedrock', model: 'us.anthropic.claude-sonnet-4-5-20250929-v1:0' },
  { name: 'bedrock-claude-newer', provider: 'bedrock', model: 'us.anthropic.claude-opus-4-8' },
  { name: 'bedrock-nova', provider: 'bedrock', model: 'amazon.nova-pro-v1:0' },
  {
    name: 'bedrock-invoke',
    provider: 'bedrock-invoke',
    model: 'us.anthropic.claude-sonnet-4-5-20250929-v1:0',
  },
  { name: 'deepseek', provider: 'deepseek', model: 'deepseek-chat' },
  { name: 'openrouter', provider: 'openrouter', model: 'anthropic/claude-sonnet-4.5' },
  { name: 'xai', provider: 'xai', model: 'grok-4' },
  { name: 'ollama', provider: 'ollama', model: 'qwen3:8b' },
  { name: 'llamacpp', provider: 'llamacpp', model: 'qwen3-8b' },
  { name: 'inference', provider: 'inference', model: 'llama-3.1-8b' },
];
