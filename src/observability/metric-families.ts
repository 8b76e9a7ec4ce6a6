import type { Families } from './families.ts';

const secondsOfHttp = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const secondsOfCalls = [0.1, 0.25, 0.5, 0.75, 1, 2, 5, 10, 15, 30, 60];
const secondsOfProviders = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const secondsOfTools = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const secondsOfStores = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5];
const dollars = [0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];
const bytes = [256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216];
// Those of OpenTelemetry's semantic conventions for generative AI.
const genAiSeconds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const genAiTokens = [
  1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
];
const genAiFirstToken = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
const genAiEachToken = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];

/** All families, in the order in which they are told. */
export function defineFamilies(f: Families) {
  const model = ['provider', 'model'];
  const genAi = ['gen_ai_operation_name', 'gen_ai_provider_name', 'gen_ai_request_model'];
  const found = {
    requests: f.counter('llm_gateway_requests_total', 'HTTP requests by route.', [
      'method',
      'path',
      'status',
    ]),
    requestSeconds: f.histogram(
      'llm_gateway_request_duration_seconds',
      'Time from the head of an HTTP request to the end of its response.',
      secondsOfHttp,
      ['method', 'path'],
    ),
    inProgress: f.gauge('llm_gateway_requests_in_progress', 'HTTP requests under way.', ['method']),
    bodyBytes: f.histogram('llm_gateway_request_body_bytes', 'Announced sizes of request bodies.', bytes, [
      'path',
    ]),
    calls: f.counter('llm_gateway_calls_total', 'Calls of models by the face that they came by.', [
      'face',
      'kind',
      'status',
    ]),
    callsInProgress: f.gauge('llm_gateway_calls_in_progress', 'Calls of models under way.', ['kind']),
    llmRequest: f.counter('llm_request_total', 'Calls of models by provider.', [...model, 'status']),
    llmRequests: f.counter('llm_requests_total', 'Calls of models by backend.', [
      'backend',
      'model',
      'status',
    ]),
    llmSeconds: f.histogram(
      'llm_request_duration_seconds',
      'Time of a whole call, its stream included.',
      secondsOfCalls,
      ['backend', 'model'],
    ),
    llmErrors: f.counter('llm_errors_total', 'Calls of models that failed, by reason.', [
      ...model,
      'error_type',
    ]),
    llmTokens: f.counter('llm_tokens_total', 'Tokens of prompts and completions.', [...model, 'type']),
    tokens: f.counter('llm_gateway_tokens_total', 'Tokens of prompts and completions.', [...model, 'type']),
    tokenDetails: f.counter(
      'llm_gateway_token_details_total',
      'Of these tokens: read from and written to the cache of the provider, and reasoning.',
      [...model, 'type'],
    ),
    cost: f.histogram(
      'llm_gateway_request_cost_dollars',
      'Cost of answers of providers whose prices are known; a call whose tools are run has several.',
      dollars,
      model,
    ),
    providerRequests: f.counter('llm_gateway_provider_requests_total', 'Requests to providers.', [
      'provider',
    ]),
    providerErrors: f.counter('llm_gateway_provider_errors_total', 'Requests to providers that failed.', [
      'provider',
      'error_type',
    ]),
    providerSeconds: f.histogram(
      'llm_gateway_provider_latency_seconds',
      'Time of a request to a provider, its stream included.',
      secondsOfProviders,
      ['provider'],
    ),
    transitions: f.counter(
      'llm_gateway_circuit_breaker_state_transitions_total',
      'Changes of circuit breakers.',
      ['circuit_name', 'to_state', 'from_state'],
    ),
    retries: f.counter('retry_attempts_total', 'Requests to providers that were made again.', [
      'provider',
      'reason',
    ]),
    fallbacks: f.counter('llm_gateway_fallback_chain_attempts_total', 'Models asked in place of another.', [
      'chain_name',
      'backend_name',
      'operation',
    ]),
    fallbackSuccesses: f.counter(
      'llm_gateway_fallback_chain_successes_total',
      'Calls that were answered by a model in place of another.',
      ['chain_name', 'backend_name'],
    ),
    hedges: f.counter('llm_gateway_hedges_total', 'Requests made beside one that was slow.', ['provider']),
    tools: f.counter('llm_gateway_tool_calls_total', 'Runs of tools of the gateway.', ['tool', 'outcome']),
    toolSeconds: f.histogram('llm_gateway_tool_duration_seconds', 'Time of runs of tools.', secondsOfTools, [
      'tool',
    ]),
    cache: f.counter('llm_gateway_cache_operations_total', 'Questions to the cache of answers.', ['result']),
    cacheHits: f.counter('llm_cache_hits_total', 'Calls answered from the cache.'),
    limited: f.counter('llm_gateway_limit_rejections_total', 'Calls that a limit refused.', [
      'limit',
      'scope',
    ]),
    screened: f.counter(
      'llm_gateway_screened_calls_total',
      'Calls whose texts were looked at for sensitive ones, by what became of them.',
      ['mode', 'outcome'],
    ),
    auditLines: f.counter('llm_gateway_audit_lines_total', 'Lines of the audit trail.', ['outcome']),
    auditFailures: f.counter(
      'llm_gateway_audit_write_failures_total',
      'Writes to the audit trail that failed and are tried again.',
    ),
    auditSent: f.counter(
      'llm_gateway_audit_forwarded_lines_total',
      'Lines of the audit trail for the collector.',
      ['outcome'],
    ),
    storeCommands: f.counter('llm_gateway_store_commands_total', 'Commands to the store.', [
      'store',
      'outcome',
    ]),
    storeSeconds: f.histogram(
      'llm_gateway_store_command_duration_seconds',
      'Time of commands to the store that were sent.',
      secondsOfStores,
      ['store'],
    ),
    spans: f.counter(
      'llm_gateway_trace_spans_total',
      'Spans handed to the collector, by what became of them.',
      ['outcome'],
    ),
    operation: f.histogram(
      'gen_ai_client_operation_duration_seconds',
      'Time of a request to a provider (gen_ai.client.operation.duration).',
      genAiSeconds,
      [...genAi, 'error_type'],
    ),
    usage: f.histogram(
      'gen_ai_client_token_usage',
      'Tokens of requests to providers (gen_ai.client.token.usage).',
      genAiTokens,
      [...genAi, 'gen_ai_token_type'],
    ),
    firstToken: f.histogram(
      'gen_ai_server_time_to_first_token_seconds',
      'Time to the first output of a stream (gen_ai.server.time_to_first_token).',
      genAiFirstToken,
      genAi,
    ),
    eachToken: f.histogram(
      'gen_ai_server_time_per_output_token_seconds',
      'Time for each further token of a stream (gen_ai.server.time_per_output_token).',
      genAiEachToken,
      genAi,
    ),
  };
  // So that rates and alerts see the first step.
  for (const result of ['hit', 'miss']) found.cache(result);
  return found;
}
