// Mixed traffic through one gateway for a long time, with clients that leave at any moment, and what becomes of its memory:
// node scripts/load/soak.ts [--minutes 10] [--clients 80] [--capacity 100]
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { Agent, fetch } from 'undici';
import { ChatService } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { type Measured, measure, startAll } from './processes.ts';
import { slopeOf } from './slope.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    /** Calls at the same time, and how many the gateway takes: 80 % of its capacity. */
    clients: { type: 'string', default: '80' },
    capacity: { type: 'string', default: '100' },
  },
});
const endMs = Number(values.minutes) * 60_000;
const clients = Number(values.clients);
/** Share of calls whose clients leave. */
const leavingShare = 0.25;
/** More is a leak: KiB of used memory in a minute, over the last two thirds; handles when all is over. */
const maxKibPerMinute = 4_096;
const maxMoreHandles = 20;

const running = await startAll({ LLM_GATEWAY_MAX_CONCURRENT_REQUESTS: String(values.capacity) });
const { url } = running;
const grpc = createClient(ChatService, createGrpcTransport({ baseUrl: url }));
const connect = createClient(ChatService, createConnectTransport({ baseUrl: url, httpVersion: '1.1' }));

const agent = new Agent();
const model = 'llamacpp/chunks=8&every_ms=15';
const said = (text: string) => [{ role: 'user', content: text }];

async function rest(path: string, body: object, signal: AbortSignal, end: string | null): Promise<void> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal,
    dispatcher: agent,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text.slice(0, 300)}`);
  if (end !== null && !text.includes(end))
    throw new Error(`${path}: the stream has no end: ${text.slice(-300)}`);
}

const rpcRequest = {
  model,
  messages: [{ role: Role.USER, parts: [{ content: { case: 'text' as const, value: { text: 'x' } } }] }],
};

async function rpcStream(client: typeof grpc, signal: AbortSignal): Promise<void> {
  let last: string | undefined;
  for await (const { event } of client.streamChatCompletion(rpcRequest, { signal })) last = event.case;
  if (last !== 'finished') throw new Error('the stream has no end');
}

const sessions: string[] = [];
async function withSession(signal: AbortSignal): Promise<void> {
  let id = sessions.pop();
  if (id === undefined) {
    const made = await fetch(`${url}/v1/sessions`, {
      method: 'POST',
      body: '{"ttl_seconds":60}',
      signal,
      dispatcher: agent,
    });
    id = ((await made.json()) as { id: string }).id;
  }
  const messages = said('Remember this.');
  await rest('/v1/chat/completions', { model, messages, session_id: id }, signal, null);
  // A long history is not what is looked for here.
  if (sessions.length < 50 && Math.random() < 0.7) sessions.push(id);
  else await fetch(`${url}/v1/sessions/${id}`, { method: 'DELETE', signal, dispatcher: agent });
}

const large = 'lorem ipsum '.repeat(20_000);
const kinds: Record<string, (signal: AbortSignal) => Promise<unknown>> = {
  chat: (signal) => rest('/v1/chat/completions', { model, messages: said('x') }, signal, null),
  'chat stream': (signal) =>
    rest('/v1/chat/completions', { model, stream: true, messages: said('x') }, signal, 'data: [DONE]'),
  'large chat': (signal) => rest('/v1/chat/completions', { model, messages: said(large) }, signal, null),
  messages: (signal) => rest('/v1/messages', { model, max_tokens: 50, messages: said('x') }, signal, null),
  'messages stream': (signal) =>
    rest(
      '/v1/messages',
      { model, max_tokens: 50, stream: true, messages: said('x') },
      signal,
      'message_stop',
    ),
  responses: (signal) => rest('/v1/responses', { model, input: 'x' }, signal, null),
  'responses stream': (signal) =>
    rest('/v1/responses', { model, input: 'x', stream: true, store: false }, signal, 'response.completed'),
  session: withSession,
  'grpc chat': (signal) => grpc.createChatCompletion(rpcRequest, { signal }),
  'grpc stream': (signal) => rpcStream(grpc, signal),
  'connect chat': (signal) => connect.createChatCompletion(rpcRequest, { signal }),
  'connect stream': (signal) => rpcStream(connect, signal),
};

/** Handles of the gateway before there are calls. */
await fetch(`${url}/health`);
const idle = measure(running.pid).handles;
const counts = { calls: 0, left: 0, errors: 0 };
const errors = new Map<string, number>();

async function oneCall(): Promise<void> {
  const names = Object.keys(kinds);
  const name = names[Math.floor(Math.random() * names.length)] as string;
  const leaving = new AbortController();
  const leaves = Math.random() < leavingShare;
  const timer = leaves ? setTimeout(() => leaving.abort(), Math.random() * 150) : undefined;
  counts.calls++;
  try {
    await kinds[name]?.(leaving.signal);
  } catch (error) {
    if (leaving.signal.aborted) counts.left++;
    else {
      counts.errors++;
      const line = `${name}: ${error instanceof Error ? `${error.message} ${String(error.cause ?? '')}` : String(error)}`;
      if (errors.size < 20 || errors.has(line)) errors.set(line, (errors.get(line) ?? 0) + 1);
    }
  } finally {
    clearTimeout(timer);
  }
}

interface Sample extends Measured {
  readonly minutes: number;
  /** Without garbage. */
  readonly usedKib: number;
}

async function sample(begun: number): Promise<Sample> {
  const used = await running.used();
  return { ...measure(running.pid), minutes: (performance.now() - begun) / 60_000, usedKib: used / 1_024 };
}

/** Waits until nothing is under way and connections are closed. @returns the handles that are left then; Infinity when that does not come */
async function restedHandles(): Promise<number> {
  for (let tries = 0; tries < 60; tries++) {
    const { backpressure } = (await (await fetch(`${url}/health/detailed`)).json()) as {
      backpressure: { active_requests: number; waiting_requests: number; body_bytes_in_flight: number };
    };
    const { active_requests: active, waiting_requests: waiting, body_bytes_in_flight: bytes } = backpressure;
    const { handles } = measure(running.pid);
    if (active + waiting + bytes === 0 && handles <= idle + maxMoreHandles) return handles;
    await delay(500);
  }
  return Number.POSITIVE_INFINITY;
}

try {
  const begun = performance.now();
  const samples: Sample[] = [];
  let over = false;
  const work = Promise.all(
    Array.from({ length: clients }, async () => {
      while (!over) await oneCall();
    }),
  );
  while (performance.now() - begun < endMs) {
    await delay(Math.min(10_000, endMs / 20));
    samples.push(await sample(begun));
  }
  over = true;
  await work;
  // The beginning fills caches and pools.
  const later = samples.slice(Math.floor(samples.length / 3));
  const points = (value: (one: Sample) => number) => later.map((one) => [one.minutes, value(one)] as const);
  const rss = slopeOf(points(({ rssKib }) => rssKib));
  const used = slopeOf(points(({ usedKib }) => usedKib));
  const busy = Math.max(...later.map(({ handles }) => handles));
  await agent.destroy();
  const rested = await restedHandles();
  const last = samples.at(-1) as Sample;
  console.log(`calls                   ${counts.calls}, of which ${counts.left} were left by their clients`);
  console.log(`errors                  ${counts.errors}`);
  for (const [line, times] of errors) console.log(`  ${times} × ${line}`);
  console.log(
    `resident                ${(last.rssKib / 1_024).toFixed(1)} MiB, ${rss.toFixed(0)} KiB a minute`,
  );
  console.log(
    `used, without garbage   ${(last.usedKib / 1_024).toFixed(1)} MiB, ${used.toFixed(0)} KiB a minute`,
  );
  console.log(`handles                 ${idle} at first, ${busy} at most, ${rested} at rest`);
  const complaints = running.complaints.slice(0, 5);
  for (const line of complaints) console.log(`log                     ${line}`);
  const wrong = [
    counts.errors > 0 ? 'there were errors that nobody caused' : '',
    used > maxKibPerMinute ? 'memory grows' : '',
    rested > idle + maxMoreHandles ? 'connections or files stay open, or calls that nobody makes' : '',
    complaints.length > 0 ? 'the log complains' : '',
  ].filter((line) => line !== '');
  for (const line of wrong) console.error(`FAILED: ${line}`);
  process.exitCode = wrong.length > 0 ? 1 : 0;
} finally {
  await running.stop();
}
process.exit();
