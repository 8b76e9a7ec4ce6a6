/** What of a chat's answer or of its form hangs on it. */
export const formParameters = [
  'tools',
  'tool_choice',
  'response_format',
  'n',
  'logprobs',
  'top_logprobs',
  'stop',
  'modalities',
  'audio',
  'web_search_options',
  'max_tokens',
  'moderation',
];

/** All that a chat has. */
export const chatParameters = [
  ...formParameters,
  'temperature',
  'top_p',
  'top_k',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'seed',
  'reasoning_effort',
  'parallel_tool_calls',
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
];

/**
 * Names of the parameters that a provider may be unable to take, as on the REST face. The pipeline has the same list, with what
 * each of them means.
 */
export const requestParameters = [...chatParameters, 'dimensions', 'task_type'];
