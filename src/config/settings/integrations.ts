import { alsoAs, type Setting, setting, time } from '../setting.ts';
import { address, flag, type ValueReader, Wrong, wholeNumber } from '../values.ts';

const addressOrOff: ValueReader<string> = (raw) => {
  // YAML's own word for it is a boolean.
  if (raw === false || (typeof raw === 'string' && raw.trim().toLowerCase() === 'off')) return 'off';
  const read = address(raw);
  return read instanceof Wrong ? new Wrong(`${read.allowed}, or off`) : read;
};

function url(name: string, fallback: string): Setting<string> {
  const env = `${name.toUpperCase()}_URL`;
  const doc = `Address of the ${name.replaceAll('_', '-')} of the documentation platform; \`off\` for none`;
  const made = setting(`integrations.${name}.url`, env, addressOrOff, fallback, doc);
  return alsoAs(made, env);
}

/** Services of the documentation platform. */
export const integrationSettings = {
  docStoreUrl: url('doc_store', 'http://doc_store:5087'),
  promptStoreUrl: url('prompt_store', 'http://prompt-store:5110'),
  memoryAgentUrl: url('memory_agent', 'http://memory-agent:5040'),
  interpreterUrl: url('interpreter', 'http://interpreter:5120'),
  orchestratorUrl: url('orchestrator', 'http://orchestrator:5099'),
  summarizerHubUrl: url('summarizer_hub', 'http://summarizer-hub:5060'),
  secureAnalyzerUrl: url('secure_analyzer', 'http://secure-analyzer:5070'),
  codeAnalyzerUrl: url('code_analyzer', 'http://code-analyzer:5085'),
  architectureDigitizerUrl: url('architecture_digitizer', 'http://architecture-digitizer:5105'),
  analysisServiceUrl: url('analysis_service', 'http://analysis-service:5020'),
  integrationTimeoutMs: alsoAs(
    time(
      'integrations.timeout',
      'INTEGRATION_TIMEOUT',
      [100, 300_000],
      30_000,
      'Longest wait for one of these services, for each try',
    ),
    'HTTP_CLIENT_TIMEOUT',
  ),
  integrationOptionalTimeoutMs: time(
    'integrations.optional_timeout',
    'INTEGRATION_OPTIONAL_TIMEOUT',
    [50, 60_000],
    2_000,
    'Longest wait for one that an answer can do without, and for its health',
  ),
  integrationTries: alsoAs(
    setting(
      'integrations.tries',
      'INTEGRATION_TRIES',
      wholeNumber(1, 10),
      3,
      'How often such a service is asked when it cannot be reached, or a question only reads',
    ),
    'HTTP_RETRY_ATTEMPTS',
  ),
  integrationRetryMs: alsoAs(
    setting(
      'integrations.retry_base_ms',
      'INTEGRATION_RETRY_BASE_MS',
      wholeNumber(1, 60_000),
      150,
      'Pause before the second try in milliseconds; it doubles, and varies',
    ),
    'HTTP_RETRY_BASE_MS',
  ),
  integrationCircuit: alsoAs(
    setting(
      'integrations.circuit_breaker',
      'INTEGRATION_CIRCUIT_BREAKER',
      flag,
      true as boolean,
      'Whether one that fails is not asked for a while',
    ),
    'HTTP_CIRCUIT_ENABLED',
  ),
  integrationRemember: setting(
    'integrations.remember',
    'INTEGRATION_REMEMBER',
    flag,
    true as boolean,
    'Whether the memory agent is told of every query, where its address is configured; never of sensitive ones',
  ),
} as const;
