// How each system under test is started. All are processes of their own, with the probe loaded.

import { existsSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startFlags } from '../../scripts/lib/start-flags.ts';
import { Child, type ChildOptions, freePort, waitForHttp } from '../lib/children.ts';
import { installPortkey, PORTKEY_FILE } from './portkey.ts';
import type { ProbeContract } from './probe.ts';

export interface RunningSystem {
  name: string;
  /** HTTP/1.1. */
  port: number;
  /** HTTP/2 cleartext. */
  h2Port: number;
  probe: Child<ProbeContract>;
  /** Name under which the system knows the upstream's model. */
  model: string;
  /** Headers that its REST calls need. */
  headers: Record<string, string>;
  stop: () => Promise<void>;
}

export interface SystemContext {
  /** Base URL of the upstream, ending in `/v1`. */
  upstreamUrl: string;
  log: (line: string) => void;
}

/** A system that can be measured. `start` rejects with the reason when it cannot be. */
export interface System {
  name: string;
  start: (context: SystemContext) => Promise<RunningSystem>;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PROBE = new URL('./probe.ts', import.meta.url).href;
const MODEL = 'openai/gpt-4o-mini';

function startProbed(file: string, options: ChildOptions): Child<ProbeContract> {
  return new Child<ProbeContract>(file, {
    ...options,
    nodeArgs: [...startFlags(), '--expose-gc', '--import', PROBE],
  });
}

/** The minimal proxy. */
export const floor: System = {
  name: 'floor',
  start: async ({ upstreamUrl }) => {
    const port = await freePort();
    const probe = startProbed(join(ROOT, 'bench/systems/floor.ts'), {
      env: { PORT: String(port), UPSTREAM_URL: upstreamUrl },
    });
    await ready(probe, port, '/');
    return { name: 'floor', port, h2Port: 0, probe, model: MODEL, headers: {}, stop: () => probe.stop() };
  },
};

/** The gateway itself, as `npm start` runs it. */
export const gateway: System = {
  name: 'gateway',
  start: (context) => startGateway('gateway', context),
};

/** The gateway without anything that a platform team would switch on. */
export const uncontrolled: System = {
  name: 'uncontrolled',
  start: (context) =>
    startGateway('uncontrolled', context, {
      LLM_GATEWAY_METRICS_ENABLED: 'false',
      LLM_GATEWAY_USAGE: 'false',
      LLM_GATEWAY_RATE_LIMITS: 'off',
      LLM_GATEWAY_UPSTREAM_BREAKER_FAILURES: '0',
      LLM_GATEWAY_UPSTREAM_BREAKER_FAILURE_PERCENT: '0',
    }),
};

/** The gateway with all of it, on its embedded store. No limit and no budget is ever reached. */
export const controlled: System = {
  name: 'controlled',
  start: (context) =>
    startGateway(
      'controlled',
      context,
      { LLM_GATEWAY_CACHE: 'true', LLM_GATEWAY_RATE_LIMITS: 'on' },
      CONTROLS,
    ),
};

const CONTROLS = `
keys:
  - { id: bench, key: bench-key-of-a-client, tenant: shop, owner: team, budget: { usd: 1000000, per: day } }
budgets:
  - { name: everything, usd: 1000000, per: month }
limits:
  classes:
    default:
      requests_per_minute: 1000000000
      requests_per_hour: 1000000000
      tokens_per_minute: 1000000000
      burst_limit: 1000000000
      concurrent: 1000000
  providers:
    openai:
      requests_per_minute: 1000000000
      requests_per_hour: 1000000000
      tokens_per_minute: 1000000000
      burst_limit: 1000000000
  global: { requests_per_minute: 1000000000 }
`;

async function startGateway(
  name: string,
  { upstreamUrl }: SystemContext,
  env: Record<string, string> = {},
  config = '',
): Promise<RunningSystem> {
  const file = join(ROOT, 'src/main.ts');
  if (!existsSync(file)) throw new Error('there is no src/main.ts');
  const port = await freePort();
  const data = await mkdtemp(join(tmpdir(), 'llm-gateway-bench-'));
  const configFile = join(data, 'gateway.yaml');
  if (config !== '') writeFileSync(configFile, config);
  const probe = startProbed(file, {
    cwd: ROOT,
    env: {
      LLM_GATEWAY_PORT: String(port),
      LLM_GATEWAY_HOST: '127.0.0.1',
      LLM_GATEWAY_OPENAI_BASE_URL: upstreamUrl,
      OPENAI_API_KEY: 'bench',
      LLM_GATEWAY_ANTHROPIC_BASE_URL: new URL(upstreamUrl).origin,
      ANTHROPIC_API_KEY: 'bench',
      LLM_GATEWAY_GOOGLE_BASE_URL: `${new URL(upstreamUrl).origin}/v1beta`,
      GEMINI_API_KEY: 'bench',
      LLM_GATEWAY_LOG_LEVEL: 'ERROR',
      LLM_GATEWAY_DATA_DIR: data,
      ...(config === '' ? {} : { LLM_GATEWAY_CONFIG: configFile }),
      ...env,
    },
  });
  const stop = async (): Promise<void> => {
    await probe.stop();
    await rm(data, { recursive: true, force: true });
  };
  try {
    await ready(probe, port, '/health');
  } catch (error) {
    await stop();
    throw error;
  }
  const headers: Record<string, string> =
    config === '' ? {} : { authorization: 'Bearer bench-key-of-a-client' };
  return { name, port, h2Port: port, probe, model: MODEL, headers, stop };
}

/** Portkey's gateway, an established peer on the same runtime. */
export const portkey: System = {
  name: 'portkey',
  start: async ({ upstreamUrl, log }) => {
    const missing = await installPortkey(log);
    if (missing) throw new Error(missing);
    const port = await freePort();
    const probe = startProbed(PORTKEY_FILE, {
      args: ['--headless', `--port=${port}`],
      env: { BENCH_LOOPBACK_ONLY: '1' },
    });
    await ready(probe, port, '/');
    return {
      name: 'portkey',
      port,
      h2Port: 0,
      probe,
      model: 'gpt-4o-mini',
      headers: { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': upstreamUrl },
      stop: () => probe.stop(),
    };
  },
};

/** connect-node with the gateway's own ChatService and nothing behind it but the floor's upstream call. */
export const bareConnect: System = { name: 'bare', start: (context) => startBare('bare', context, false) };

/** The same without upstream: what connect-node costs alone. */
export const cannedConnect: System = {
  name: 'canned',
  start: (context) => startBare('canned', context, true),
};

async function startBare(name: string, context: SystemContext, canned: boolean): Promise<RunningSystem> {
  const [port, h2Port] = [await freePort(), await freePort()];
  const probe = startProbed(join(ROOT, 'bench/systems/bare-connect.ts'), {
    env: {
      PORT: String(port),
      H2_PORT: String(h2Port),
      UPSTREAM_URL: context.upstreamUrl,
      ...(canned ? { CANNED: '1' } : {}),
    },
  });
  await ready(probe, port, '/');
  return { name, port, h2Port, probe, model: MODEL, headers: {}, stop: () => probe.stop() };
}

async function ready(probe: Child<ProbeContract>, port: number, path: string): Promise<void> {
  try {
    await waitForHttp(probe, port, path);
  } catch (error) {
    await probe.stop();
    throw error;
  }
}
