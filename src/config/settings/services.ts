import { alsoAs, setting, time } from '../setting.ts';
import { address, bytes, flag, percentages, wholeNumber } from '../values.ts';

/** Services of the platform that tools and context management ask. */
export const serviceSettings = {
  semanticSearchUrl: setting(
    'services.semantic_search.url',
    'SEMANTIC_SEARCH_URL',
    address,
    'http://localhost:8081',
    'Address of the semantic-search service, which search tools ask',
  ),
  semanticSearchTimeoutMs: time(
    'services.semantic_search.timeout',
    'SEMANTIC_SEARCH_TIMEOUT',
    [1_000, 300_000],
    30_000,
    'Longest wait for that service, and for ai-agents',
  ),
  searchTaxonomyEnabled: setting(
    'services.semantic_search.taxonomy',
    'SEARCH_TAXONOMY_ENABLED',
    flag,
    false as boolean,
    'Whether that service takes `taxonomy`; without this it is not sent, because services that do not know it refuse the search',
  ),
  aiAgentsUrl: setting(
    'services.ai_agents.url',
    'AI_AGENTS_URL',
    address,
    'http://localhost:8082',
    'Address of the ai-agents service, which tools for reviews and references ask',
  ),
  codeOrchestratorUrl: alsoAs(
    setting(
      'services.code_orchestrator.url',
      'CODE_ORCHESTRATOR_URL',
      address,
      'http://localhost:8083',
      'Address of the code-orchestrator service, which tools for terms and similarity ask',
    ),
    'CODE_ORCHESTRATOR_URL',
  ),
  codeOrchestratorTimeoutMs: time(
    'services.code_orchestrator.timeout',
    'CODE_ORCHESTRATOR_TIMEOUT',
    [1_000, 300_000],
    30_000,
    'Longest wait for that service',
  ),
  serviceMaxAnswerBytes: setting(
    'services.max_answer_bytes',
    'SERVICE_MAX_ANSWER_BYTES',
    bytes(2 ** 10, 2 ** 28),
    16 * 2 ** 20,
    'Largest answer of one of these services',
    '16MiB',
  ),
  cmsUrl: alsoAs(
    setting('cms.url', 'CMS_URL', address, '', 'Context management service; without it none is asked'),
    'CMS_URL',
  ),
  cmsEnabled: setting(
    'cms.enabled',
    'CMS_ENABLED',
    flag,
    null as boolean | null,
    'Whether calls of tier 3 and 4 need that service',
    '`true` with its address, else `false`',
  ),
  cmsTimeoutMs: time('cms.timeout', 'CMS_TIMEOUT', [500, 30_000], 5_000, 'Longest wait for that service'),
  cmsTierShares: setting(
    'cms.tier_shares',
    'CMS_TIER_SHARES',
    percentages(3),
    [25, 50, 75] as readonly number[],
    "Where tiers 2, 3 and 4 begin, in percent of the model's context",
    '25,50,75',
  ),
  cmsProcessEnabled: setting(
    'cms.process_enabled',
    'CMS_PROCESS_ENABLED',
    flag,
    false as boolean,
    'Whether that service may shorten prompts',
  ),
  breakerFailures: setting(
    'circuit_breaker.failure_threshold',
    'CIRCUIT_BREAKER_FAILURE_THRESHOLD',
    wholeNumber(1, 100),
    5,
    'Failures of a service in a row after which it is not asked for a while',
  ),
  breakerRecoveryMs: time(
    'circuit_breaker.recovery_timeout',
    'CIRCUIT_BREAKER_RECOVERY_TIMEOUT',
    [1_000, 600_000],
    30_000,
    'How long it is not asked then; after that one call tries',
  ),
} as const;
