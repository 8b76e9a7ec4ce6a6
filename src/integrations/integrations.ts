import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { pause } from '../base/pause.ts';
import { steadyMs } from '../base/steady-clock.ts';
import {
  type Arguments,
  type IntegrationName,
  integrationNames,
  integrationTable,
  type Operation,
  operationsOf,
} from '../config/integration-table.ts';
import type { Config } from '../config/load.ts';
import { GatewayError, invalidRequest } from '../errors/gateway-error.ts';
import type { UpstreamClient } from '../http/client.ts';
import type { Logger } from '../observability/log.ts';
import { HttpService } from './http-service.ts';
import { type Service, ServiceError } from './service.ts';
import { serviceOptions } from './service-options.ts';

/** For whom a service is asked. */
export interface Asker {
  readonly requestId: string;
  readonly signal: AbortSignal;
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

/** How a service is. */
export interface IntegrationState {
  /** See IntegrationFacts.statusName. */
  readonly name: string;
  readonly status: 'healthy' | 'unhealthy' | 'error';
  readonly endpoint: string;
  /** In seconds; null when it did not answer. */
  readonly responseTime: number | null;
  /** '' when it is healthy. */
  readonly error: string;
  /** In milliseconds since 1970. */
  readonly checkedAt: number;
}

interface Client {
  readonly service: Service;
  readonly endpoint: string;
  /** The configuration says where it is. */
  readonly given: boolean;
  /** The answer to the last question for its health, and until when it is given again; Infinity as long as it is awaited. */
  health: { readonly state: Promise<IntegrationState>; until: number } | null;
}

/** By which setting each service has its address. */
const addresses = {
  doc_store: 'docStoreUrl',
  prompt_store: 'promptStoreUrl',
  memory_agent: 'memoryAgentUrl',
  interpreter: 'interpreterUrl',
  orchestrator: 'orchestratorUrl',
  summarizer_hub: 'summarizerHubUrl',
  secure_analyzer: 'secureAnalyzerUrl',
  code_analyzer: 'codeAnalyzerUrl',
  architecture_digitizer: 'architectureDigitizerUrl',
  analysis_service: 'analysisServiceUrl',
} as const satisfies Record<IntegrationName, keyof Config>;

/** How long the state of a service is told again, in milliseconds. */
const keptMs = 1_000;
/** What many wait for nobody gives up. */
const unending = new AbortController().signal;

/** Reads of a service are tried again after these, too. */
const passing: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

/** The services of the documentation platform. */
export class Integrations {
  readonly #clients = new Map<IntegrationName, Client>();
  readonly #config: Config;
  readonly #log: Logger;

  constructor(config: Config, client: UpstreamClient, log: Logger) {
    this.#config = config;
    this.#log = log;
    const options = { ...serviceOptions(config), timeoutMs: config.integrationTimeoutMs };
    for (const name of integrationNames) {
      const setting = addresses[name];
      const baseUrl = config[setting];
      if (baseUrl === 'off') continue;
      const { statusName } = integrationTable[name];
      const service = new HttpService({ ...options, name: statusName, baseUrl }, client, log);
      const given = config.given.includes(setting);
      this.#clients.set(name, { service, endpoint: baseUrl, given, health: null });
    }
  }

  /** All services with what can be done with them. */
  list(): { readonly name: string; readonly enabled: boolean; readonly operations: readonly string[] }[] {
    return integrationNames.map((name) => ({
      name,
      enabled: this.#clients.has(name),
      operations: Object.keys(operationsOf(name)),
    }));
  }

  /** Whether the configuration says where it is: at its usual address it is most likely not there. */
  isGiven(name: IntegrationName): boolean {
    return this.#clients.get(name)?.given === true;
  }

  /**
   * Does one thing with one service.
   * @param timeoutMs longest wait, and then there is one try only; default: the service's, and several tries
   * @returns its answer as JSON text: what is no JSON is a JSON string, nothing is null
   * @throws GatewayError NOT_FOUND, TOOL_ARGUMENTS_INVALID; ServiceError; what the signal aborts with
   */
  async call(
    serviceName: string,
    operationName: string,
    args: Arguments,
    asker: Asker,
    timeoutMs?: number,
  ): Promise<string> {
    const wanted = serviceName.replaceAll('-', '_');
    const name = integrationNames.find((known) => known === wanted);
    if (name === undefined) {
      throw unknownName('service', serviceName, integrationNames);
    }
    const operations = operationsOf(name);
    const operation = Object.hasOwn(operations, operationName) ? operations[operationName] : undefined;
    if (operation === undefined) {
      throw unknownName('operation', operationName, Object.keys(operations), ` of ${name}`);
    }
    for (const field of operation.required) {
      if (args[field] === undefined || args[field] === null)
        throw new GatewayError(ErrorReason.INVALID_REQUEST, `${field} is missing`, { field });
    }
    const client = this.#clients.get(name);
    if (client === undefined) {
      const reason = 'it is switched off';
      throw new ServiceError('unavailable', `${name}: ${reason}`, { reason, sent: false });
    }
    const path = this.#config.integrationPaths[name]?.[operationName] ?? operation.path;
    const { text } = await this.#ask(
      client.service,
      operation,
      pathOf(path, operation, args),
      args,
      asker,
      timeoutMs,
    );
    return jsonOf(text);
  }

  /**
   * Asks all of them for their health, at the same time, each within the bound of checks: never rejects. Each is asked once a second at most, however many want to
   * know.
   * @param asker whoever comes first is told to the service @param onlyGiven leaves out those at usual addresses
   */
  async states(asker: Omit<Asker, 'signal'>, onlyGiven = false): Promise<IntegrationState[]> {
    const clients = [...this.#clients].filter(([, { given }]) => given || !onlyGiven);
    return Promise.all(
      clients.map(([name, client]) => {
        if (client.health !== null && steadyMs() < client.health.until) return client.health.state;
        const state = this.#stateOf(name, client, { ...asker, signal: unending });
        const health = { state, until: Number.POSITIVE_INFINITY };
        client.health = health;
        void state.then(() => {
          health.until = steadyMs() + keptMs;
        });
        return state;
      }),
    );
  }

  async #stateOf(
    name: IntegrationName,
    { service, endpoint }: Client,
    asker: Asker,
  ): Promise<IntegrationState> {
    const began = performance.now();
    const about = { name: integrationTable[name].statusName, endpoint };
    const took = (): number => Math.round(performance.now() - began) / 1_000;
    const { integrationOptionalTimeoutMs, healthTimeoutMs } = this.#config;
    try {
      const { text } = await service.call({
        method: 'GET',
        path: '/health',
        // This is also how one learns that a service is back.
        breaker: null,
        timeoutMs: Math.min(integrationOptionalTimeoutMs, healthTimeoutMs),
        ...headersOf(asker),
      });
      const said = JSON.parse(jsonOf(text)) as { status?: unknown } | null;
      const healthy = said?.status === 'healthy';
      const error = healthy ? '' : 'it does not say that it is healthy';
      const status = healthy ? 'healthy' : 'unhealthy';
      return { ...about, status, responseTime: took(), error, checkedAt: Date.now() };
    } catch (error) {
      if (!(error instanceof ServiceError))
        this.#log.error('a service could not be asked for its health', { service: name, error });
      const answered = error instanceof ServiceError && error.kind === 'status';
      return {
        ...about,
        status: answered ? 'unhealthy' : 'error',
        responseTime: answered ? took() : null,
        error: error instanceof ServiceError ? error.reason : 'it could not be asked',
        checkedAt: Date.now(),
      };
    }
  }

  async #ask(
    service: Service,
    operation: Operation,
    path: string,
    args: Arguments,
    asker: Asker,
    timeoutMs: number | undefined,
  ): Promise<{ readonly text: string }> {
    const { integrationTries, integrationRetryMs, integrationCircuit } = this.#config;
    const tries = timeoutMs === undefined ? integrationTries : 1;
    const { method } = operation;
    const json = method === 'GET' ? '' : bodyText(operation, args);
    for (let tried = 1; ; tried++) {
      try {
        return await service.call({
          method,
          path,
          ...(method === 'GET' ? {} : { json }),
          ...(integrationCircuit ? {} : { breaker: null }),
          ...(timeoutMs === undefined ? {} : { timeoutMs }),
          ...headersOf(asker),
        });
      } catch (error) {
        if (tried >= tries || !mayRepeat(error, method)) throw error;
        await pause(integrationRetryMs * 2 ** (tried - 1) * (0.75 + Math.random() / 2), asker.signal);
      }
    }
  }
}

const headersOf = ({ requestId, signal, traceparent, tracestate }: Asker) => ({
  requestId,
  signal,
  ...(traceparent === undefined ? {} : { traceparent }),
  ...(tracestate === undefined ? {} : { tracestate }),
});

/** What only reads may be asked again; what writes only when it cannot have arrived. */
function mayRepeat(error: unknown, method: Operation['method']): boolean {
  if (!(error instanceof ServiceError)) return false;
  if (error.kind === 'unavailable') return method === 'GET' || !error.sent;
  return method === 'GET' && error.kind === 'status' && passing.has(error.status);
}

const unknownName = (what: string, name: string, known: readonly string[], of = ''): GatewayError =>
  new GatewayError(
    ErrorReason.NOT_FOUND,
    `there is no ${what} ${JSON.stringify(name.slice(0, 100))}${of}; there are ${known.join(', ')}`,
    { field: what },
  );

/** The path with its arguments in their places, and its query. */
function pathOf(template: string, { query, defaults }: Operation, args: Arguments): string {
  const path = template.replace(/\{(\w+)\}/g, (_all, name: string) => {
    const value = args[name] ?? defaults?.[name];
    if (typeof value !== 'string' && typeof value !== 'number')
      throw invalidRequest(name, `${name} has to be text`);
    const text = String(value);
    // They would lead elsewhere.
    if (text === '' || text === '.' || text === '..' || text.length > 512 || !text.isWellFormed())
      throw invalidRequest(name, `${name} has to be a name of 1 to 512 characters`);
    return encodeURIComponent(text);
  });
  if (query === undefined) return path;
  const given = Object.entries(query).map(([name, usual]) => [name, queryValue(name, args[name] ?? usual)]);
  return `${path}?${new URLSearchParams(given)}`;
}

function queryValue(name: string, value: unknown): string {
  const text = ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : null;
  if (text === null || text.length > 512 || !text.isWellFormed())
    throw invalidRequest(name, `${name} has to be text of at most 512 characters`);
  return text;
}

/** @throws GatewayError for what is nested too deeply to be written */
function bodyText(operation: Operation, args: Arguments): string {
  const body = bodyOf(operation, args);
  try {
    return JSON.stringify(body);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw invalidRequest('body', 'the arguments are nested too deeply');
  }
}

/** Arguments beyond those that are known are handed on as they are, but where the body is made otherwise. */
function bodyOf({ body, defaults, fixed }: Operation, args: Arguments): Record<string, unknown> {
  if (body !== undefined) return body(args, new Date().toISOString());
  return { ...defaults, ...args, ...fixed };
}

function jsonOf(text: string): string {
  if (text.trim() === '') return 'null';
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify(text);
  }
}
