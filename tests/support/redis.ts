import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Whether this machine has a Redis server to start; says so when it has not. */
export const hasRedis: boolean = (() => {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    execFileSync('redis-cli', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    console.warn('skipped: there is no redis-server with redis-cli in the path');
    return false;
  }
})();

/** A Redis server of a test's own, that loses nothing when it is killed. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** SIGSTOP makes it hang, SIGCONT go on. */
  signal(name: NodeJS.Signals): void;
  /** Ends it at once. */
  kill(): Promise<void>;
  /** Starts it again, on the same port with the same data. */
  start(): Promise<void>;
  /** Runs one command of redis-cli's. */
  cli(...args: string[]): Promise<string>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

export const startRedis = (...options: string[]): Promise<RedisServer> => startServer('', options);

/** A Sentinel that watches a server under the name `mymaster`, and needs no other one's consent. */
export const startSentinel = (watchedPort: number): Promise<RedisServer> =>
  startServer(
    [
      `sentinel monitor mymaster 127.0.0.1 ${watchedPort} 1`,
      'sentinel down-after-milliseconds mymaster 500',
      'sentinel failover-timeout mymaster 2000',
      '',
    ].join('\n'),
    [],
  );

/** @param sentinel configuration of a Sentinel; '' for a server */
async function startServer(sentinel: string, options: readonly string[]): Promise<RedisServer> {
  const port = await freePort();
  const dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-redis-'));
  let child: ChildProcess | null = null;
  const cli = async (...args: string[]): Promise<string> =>
    (await run('redis-cli', ['-p', String(port), ...args], { timeout: 5_000 })).stdout.trim();
  const server: RedisServer = {
    port,
    url: `redis://127.0.0.1:${port}`,
    cli,
    signal: (name) => void child?.kill(name),
    async kill() {
      if (child === null) return;
      const over = once(child, 'exit');
      child.kill('SIGKILL');
      await over;
      child = null;
    },
    async start() {
      const own = ['--port', String(port), '--dir', dir, '--bind', '127.0.0.1'];
      const durable = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'];
      const file = path.join(dir, 'sentinel.conf');
      if (sentinel !== '') writeFileSync(file, sentinel);
      const args = sentinel === '' ? [...own, ...durable, ...options] : [file, ...own, '--sentinel'];
      child = spawn('redis-server', args, { stdio: 'ignore' });
      // One that wants a password answers, too.
      while (!/PONG|NOAUTH/.test(await cli('PING').catch(() => ''))) await breath();
    },
    async stop() {
      await server.kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

/** A Redis Cluster of three nodes without replicas. What a node has is out of reach while it is down; the rest is not. */
export async function startCluster(): Promise<{ nodes: RedisServer[]; url: string; stop(): Promise<void> }> {
  const options = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000'];
  const nodes = await Promise.all(
    Array.from({ length: 3 }, () => startRedis(...options, '--cluster-require-full-coverage', 'no')),
  );
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  await run('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'], { timeout: 20_000 });
  for (const node of nodes) {
    while (!(await node.cli('CLUSTER', 'INFO')).includes('cluster_state:ok')) await breath();
  }
  return {
    nodes,
    url: `redis+cluster://${addresses.join(',')}`,
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

/** A port that nobody has, nor, for a Cluster's bus, the one 10,000 above it. */
async function freePort(): Promise<number> {
  for (;;) {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    if (port < 55_000) return port;
  }
}

/** Lets others do something before a condition is looked at again. */
export const breath = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));

/** Looks at a condition again and again until it holds. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`did not happen within ${withinMs} ms`);
    await breath();
  }
}
