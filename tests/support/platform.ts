import { integrationNames } from '../../src/config/integration-table.ts';
import { type Json, type PlatformService, start } from './platform-service.ts';

/** The ten services of the documentation platform, on loopback. What has no answer of its own echoes its request. */
export interface Platform {
  readonly services: ReadonlyMap<string, PlatformService>;
  /** Answers by method and path, of one service. */
  readonly answers: Map<string, unknown>;
  /** The environment of a gateway that uses them. */
  readonly env: Record<string, string>;
  of(name: string): PlatformService;
  reset(): void;
  close(): void;
}

export async function startPlatform(): Promise<Platform> {
  const services = new Map<string, PlatformService>();
  const answers = new Map<string, unknown>();
  const env: Record<string, string> = {
    LLM_GATEWAY_INTEGRATION_RETRY_BASE_MS: '1',
    LLM_GATEWAY_INTEGRATION_OPTIONAL_TIMEOUT_SECONDS: '1',
    LLM_GATEWAY_INTEGRATION_CIRCUIT_BREAKER: 'false',
  };
  for (const name of integrationNames) {
    const service = await start(({ method, path, body }) => {
      if (path === '/health') return { status: 200, body: { status: 'healthy' } };
      const own = answers.get(`${name} ${path}`);
      return { status: 200, body: own ?? { service: name, method, path, body: body ?? null } };
    });
    services.set(name, service);
    env[`${name.toUpperCase()}_URL`] = service.origin;
  }
  const of = (name: string): PlatformService => services.get(name) as PlatformService;
  return {
    services,
    answers,
    env,
    of,
    reset() {
      answers.clear();
      for (const service of services.values()) {
        service.asked.length = 0;
        service.instead = null;
      }
    },
    close() {
      for (const service of services.values()) service.close();
    },
  };
}

export const bodyOf = async (response: Response): Promise<Json> => (await response.json()) as Json;
