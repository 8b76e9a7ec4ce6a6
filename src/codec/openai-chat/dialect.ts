/** Name of this dialect in `extras`, opaque parts and opaque events. */
export const dialectName = 'openai.chat';

/**
 * How a provider of the OpenAI form differs from OpenAI. Everything that only some of them send is understood from all of
 * them, so most options are about what is sent.
 */
export interface OpenAIChatDialect {
  /** Name under which the output limit is sent; `as-given`: under the one that the client used. */
  readonly maxTokens: 'max_completion_tokens' | 'max_tokens' | 'as-given';
  /**
   * Where reasoning is in messages. With `reasoning` (OpenRouter) its opaque state goes along in `reasoning_details`; the
   * others have no place for it.
   */
  readonly reasoningKey: 'reasoning_content' | 'reasoning';
  /**
   * What becomes of the reasoning of earlier answers: `send` where there is some; `required`: also, and `""` on messages with
   * tool calls that have none (DeepSeek refuses those otherwise).
   */
  readonly historyReasoning: 'drop' | 'send' | 'required';
  /** Whether sources cited by earlier answers may be sent; Groq refuses them. */
  readonly historyAnnotations: 'drop' | 'send';
  /** Whether pictures of earlier answers may be sent, as `images`. */
  readonly historyImages: 'drop' | 'send';
  /** Whether a file may be given by its address; OpenAI takes files by value or by id. */
  readonly fileUrls: 'refuse' | 'send';
  /** Whether role `developer` is known; otherwise it is sent as `system`. */
  readonly developerRole: 'keep' | 'system';
  /** Whether a stream is asked for usage with `stream_options.include_usage`. */
  readonly streamUsage: boolean;
  /** How cache breakpoints are written. */
  readonly cacheMarker: 'prompt_cache_breakpoint' | 'cache_control' | 'none';
  /** Whether a reasoning budget can be sent, as OpenRouter's `reasoning.max_tokens`. */
  readonly reasoningBudget: 'reasoning.max_tokens' | 'none';
  /**
   * Where pictures and files of tool results go: OpenAI takes only text in tool messages, so they follow in a message of the
   * user's.
   */
  readonly toolResultMedia: 'user-message' | 'inline';
}

/** api.openai.com itself. */
export const openaiDialect: OpenAIChatDialect = {
  maxTokens: 'max_completion_tokens',
  reasoningKey: 'reasoning_content',
  historyReasoning: 'drop',
  historyAnnotations: 'send',
  historyImages: 'drop',
  fileUrls: 'refuse',
  developerRole: 'keep',
  streamUsage: true,
  cacheMarker: 'prompt_cache_breakpoint',
  reasoningBudget: 'none',
  toolResultMedia: 'user-message',
};

/** OpenAI's form with differences. */
export const dialect = (differences: Partial<OpenAIChatDialect>): OpenAIChatDialect => ({
  ...openaiDialect,
  ...differences,
});
