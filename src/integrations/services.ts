import type { Config } from '../config/load.ts';
import type { UpstreamClient } from '../http/client.ts';
import type { Logger } from '../observability/log.ts';
import { HttpService } from './http-service.ts';
import type { Service } from './service.ts';
import { serviceOptions } from './service-options.ts';

/** The services that belong to the platform. */
export interface Services {
  readonly semanticSearch: Service;
  readonly aiAgents: Service;
  readonly codeOrchestrator: Service;
  /** The inference service beside its chat, which is a provider's; null when that provider is switched off. */
  readonly inference: Service | null;
  /** Context management; null when it has no address. */
  readonly cms: Service | null;
}

/** Longest wait for the inference service in milliseconds: nothing is asked of it here that takes time. */
const inferenceTimeoutMs = 5_000;

/** Each service: its name in logs and errors, its address and its time limit. Variables, defaults and bounds are in config/settings/services.ts. */
const table = {
  semanticSearch: {
    name: 'semantic-search',
    url: (config) => config.semanticSearchUrl,
    timeoutMs: (config) => config.semanticSearchTimeoutMs,
  },
  aiAgents: {
    name: 'ai-agents',
    url: (config) => config.aiAgentsUrl,
    timeoutMs: (config) => config.semanticSearchTimeoutMs,
  },
  codeOrchestrator: {
    name: 'code-orchestrator',
    url: (config) => config.codeOrchestratorUrl,
    timeoutMs: (config) => config.codeOrchestratorTimeoutMs,
  },
  inference: { name: 'inference', url: inferenceUrl, timeoutMs: () => inferenceTimeoutMs },
  cms: { name: 'cms', url: (config) => config.cmsUrl, timeoutMs: (config) => config.cmsTimeoutMs },
} as const satisfies Record<
  keyof Services,
  {
    readonly name: string;
    readonly url: (config: Config) => string;
    readonly timeoutMs: (config: Config) => number;
  }
>;

/** The clients of all services. Nothing is asked before it is needed. */
export function createServices(config: Config, client: UpstreamClient, log: Logger): Services {
  const options = serviceOptions(config);
  const service = (key: keyof Services): Service => {
    const { name, url, timeoutMs } = table[key];
    return new HttpService(
      { ...options, name, baseUrl: url(config), timeoutMs: timeoutMs(config) },
      client,
      log,
    );
  };
  const optional = (key: 'inference' | 'cms'): Service | null =>
    table[key].url(config) === '' ? null : service(key);
  return {
    semanticSearch: service('semanticSearch'),
    aiAgents: service('aiAgents'),
    codeOrchestrator: service('codeOrchestrator'),
    inference: optional('inference'),
    cms: optional('cms'),
  };
}

/** The provider's address without its `/v1`, which is a part of the paths here as for the other services. */
function inferenceUrl({ providers }: Config): string {
  const provider = providers.find(({ name }) => name === 'inference');
  return provider?.baseUrl.replace(/\/v1$/, '') ?? '';
}
