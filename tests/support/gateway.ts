import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { createClient } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import OpenAI from 'openai';
import { ChatService } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { loadConfig } from '../../src/config/load.ts';
import type { Gateway, OwnParts } from '../../src/context/gateway.ts';
import { createGateway } from '../../src/context.ts';
import { createLogger } from '../../src/observability/log.ts';

/** A gateway in this process, listening on a free port of loopback. */
export interface RunningGateway {
  readonly gateway: Gateway;
  readonly port: number;
  readonly url: string;
  /** Log lines so far, parsed. */
  readonly log: Record<string, unknown>[];
  stop(): Promise<void>;
}

/** Starts a gateway with an environment of its own: nothing of the machine's is read. */
export async function startGateway(
  env: Record<string, string> = {},
  parts: OwnParts = {},
): Promise<RunningGateway> {
  const log: Record<string, unknown>[] = [];
  const dataDir = path.join(tmpdir(), `llm-gateway-test-${randomUUID()}`);
  const config = loadConfig({
    env: {
      LLM_GATEWAY_INFERENCE_BASE_URL: 'http://127.0.0.1:9',
      LLM_GATEWAY_LLAMACPP_BASE_URL: 'http://127.0.0.1:9/v1',
      LLM_GATEWAY_DATA_DIR: dataDir,
      LLM_GATEWAY_OLLAMA_BASE_URL: 'http://127.0.0.1:9',
      // Nobody is at these addresses.
      LLM_GATEWAY_HEALTH_CRITICAL: 'memory',
      LLM_GATEWAY_MEMORY_THRESHOLD_MB: '16384',
      // What fails on purpose is neither repeated nor opens a breaker: those have tests of their own.
      LLM_GATEWAY_RETRY_MAX_ATTEMPTS: '1',
      LLM_GATEWAY_RETRY_BASE_DELAY_SECONDS: '1ms',
      LLM_GATEWAY_RETRY_BUDGET_PER_SECOND: '10000',
      LLM_GATEWAY_UPSTREAM_BREAKER_FAILURES: '0',
      LLM_GATEWAY_UPSTREAM_BREAKER_FAILURE_PERCENT: '0',
      ...env,
    },
    cwd: import.meta.dirname,
  });
  const sink = (line: string) => void log.push(JSON.parse(line));
  const gateway = createGateway(config, createLogger({ service: 'test', level: 'DEBUG', sink }), parts);
  const { port } = await gateway.port.listen({ host: '127.0.0.1', port: 0 });
  return {
    gateway,
    port,
    url: `http://127.0.0.1:${port}`,
    log,
    async stop() {
      await gateway.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** The official SDK, pointed at a gateway. */
export const openaiClient = (url: string, options: Record<string, unknown> = {}): OpenAI =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0, ...options });

/** Anthropic's SDK, pointed at a gateway. */
export const anthropicClient = (url: string, options: Record<string, unknown> = {}): Anthropic =>
  new Anthropic({ baseURL: url, apiKey: 'none', maxRetries: 0, ...options });

/** Every way to call ChatService with the generated client. */
export const rpcTransports = {
  'Connect JSON over HTTP/1.1': (baseUrl: string) =>
    createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false }),
  'Connect binary over HTTP/1.1': (baseUrl: string) =>
    createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: true }),
  'Connect over HTTP/2': (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: '2' }),
  gRPC: (baseUrl: string) => createGrpcTransport({ baseUrl }),
  'gRPC-Web over HTTP/1.1': (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }),
} as const;

export type RpcFace = keyof typeof rpcTransports;

export const chatClient = (face: RpcFace, url: string) => createClient(ChatService, rpcTransports[face](url));
