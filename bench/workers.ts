// What does a second worker bring? One and two workers in turns, on the same load.
//
// Throughput tells it where the machine has cores left for the load generator; on two cores it has not. So the processor time of all processes of the gateway
// is counted as well, with as many calls a second for each worker: two that need as much of it for a call as one carry twice as much where each has a core. A
// worker with less to do is woken for each call, and a machine at its end makes all wait for its memory; neither tells what a worker costs.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startFlags } from '../scripts/lib/start-flags.ts';
import { Child } from './lib/children.ts';
import { restCall } from './lib/requests.ts';
import { median } from './lib/statistics.ts';
import type { LoadContract } from './load/types.ts';
import type { UpstreamContract } from './upstream/main.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '6' },
    seconds: { type: 'string', default: '2' },
    check: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const durationMs = Number(values.seconds) * 1000;
const concurrency = 32;
/** Two workers carry at least this many times what one carries. */
const target = 1.6;

const root = fileURLToPath(new URL('../', import.meta.url));
/** Until V8 has compiled what calls run through, in milliseconds; two workers share the calls of one. */
const warmUpMs = 12_000;
/** Share of what one worker can do that each has to do while processor time is counted. */
const evenShare = 0.4;
/** Of the kernel's accounts. */
const tickMs = 10;

/** Of one round. */
interface Result {
  readonly perSecond: number;
  /** Microseconds of processor time for each call. */
  readonly cpuUs: number;
}

interface Running {
  readonly port: number;
  /** Milliseconds of processor time so far, of the primary and its workers. */
  cpuMs(): number;
  /** Of that, the primary's. */
  primaryMs(): number;
  stop(): Promise<void>;
}

const start = async (workers: number, upstream: string): Promise<Running> => {
  const data = mkdtempSync(join(tmpdir(), 'llm-gateway-bench-'));
  const child = spawn(process.execPath, [...startFlags(), 'src/main.ts'], {
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'production',
      LLM_GATEWAY_WORKERS: String(workers),
      LLM_GATEWAY_HOST: '127.0.0.1',
      LLM_GATEWAY_PORT: '0',
      LLM_GATEWAY_DATA_DIR: data,
      LLM_GATEWAY_LOG_LEVEL: 'INFO',
      OPENAI_API_KEY: 'bench',
      LLM_GATEWAY_OPENAI_BASE_URL: upstream,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.once('exit', () => child.kill('SIGTERM'));
  const lines = createInterface({ input: child.stdout });
  const port = await new Promise<number>((resolve, reject) => {
    lines.on('line', (line) => {
      if (!line.includes('"listening"')) return;
      // Whoever reads the log is not what is measured.
      lines.close();
      child.stdout.resume();
      resolve((JSON.parse(line) as { port: number }).port);
    });
    child.once('exit', () => reject(new Error('the gateway did not start')));
  });
  return {
    port,
    cpuMs: () => [child.pid!, ...childrenOf(child.pid!)].reduce((sum, pid) => sum + cpuOf(pid), 0),
    primaryMs: () => cpuOf(child.pid!),
    async stop() {
      const exit = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await exit;
      rmSync(data, { recursive: true, force: true });
    },
  };
};

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

const load = new Child<LoadContract>(join(root, 'bench/load/main.ts'), {});
const upstream = new Child<UpstreamContract>(join(root, 'bench/upstream/main.ts'), {});
const upstreamUrl = `http://127.0.0.1:${await upstream.call('listen', null)}/v1`;
const gateways = [await start(1, upstreamUrl), await start(2, upstreamUrl)];
let missed = false;
console.log(
  `${availableParallelism()} cores, load average ${loadavg()[0]!.toFixed(1)}, ${rounds} rounds of ${durationMs} ms each\n`,
);
for (const [name, model] of [
  ['without an upstream', 'fake/echo'],
  ['with an upstream', 'openai/gpt-4o-mini'],
] as const) {
  const round = async ({ port, cpuMs }: Running, rate: number, ms = durationMs): Promise<Result> => {
    const before = cpuMs();
    const call = restCall({ port, model });
    const { done, failed, elapsedMs } = await load.call(
      'loop',
      { call, concurrency, durationMs: ms, rate },
      60_000,
    );
    if (failed > 0) throw new Error(`${failed} calls failed`);
    return { perSecond: (done / elapsedMs) * 1000, cpuUs: ((cpuMs() - before) * 1000) / done };
  };
  /** In turns, so that what else the machine does befalls both. */
  const inTurns = async (rate: number): Promise<Result[][]> => {
    const both: Result[][] = [[], []];
    for (let i = 0; i < rounds; i++)
      for (const at of i % 2 === 0 ? [0, 1] : [1, 0])
        both[at]!.push(await round(gateways[at]!, rate * (at + 1)));
    return both;
  };
  for (const gateway of gateways) await round(gateway, 0, warmUpMs);
  const [mostOfOne, mostOfTwo] = (await inTurns(0)) as [Result[], Result[]];
  const faster = median(mostOfTwo.map(({ perSecond }, i) => perSecond / mostOfOne[i]!.perSecond));
  const rate = Math.floor(evenShare * median(mostOfOne.map(({ perSecond }) => perSecond)));
  const own = gateways[1]!.primaryMs();
  const all = gateways[1]!.cpuMs();
  const [one, two] = (await inTurns(rate)) as [Result[], Result[]];
  const capacity = median(one.map(({ cpuUs }, i) => (2 * cpuUs) / two[i]!.cpuUs));
  const share = ((gateways[1]!.primaryMs() - own) / (gateways[1]!.cpuMs() - all)) * 100;
  missed ||= capacity < target;
  console.log(name);
  for (const [workers, most, even] of [
    [1, mostOfOne, one],
    [2, mostOfTwo, two],
  ] as const) {
    const perSecond = median(most.map((result) => result.perSecond));
    const cpu = median(even.map(({ cpuUs }) => cpuUs));
    console.log(
      `  ${workers} worker(s): at most ${perSecond.toFixed(0)} requests/s; at ${rate * workers} a second ${cpu.toFixed(0)} µs of processor time for each`,
    );
  }
  console.log(
    `  of the two workers' processor time ${share.toFixed(0)} % is the primary's, which passes the log on`,
  );
  console.log(`  throughput here: ${faster.toFixed(2)} times one worker's`);
  console.log(`  by processor time, with a core for each: ${capacity.toFixed(2)} times (target ${target})\n`);
}
await Promise.all(gateways.map((gateway) => gateway.stop()));
await Promise.all([load.stop(), upstream.stop()]);
if (values.check && missed) process.exitCode = 1;
