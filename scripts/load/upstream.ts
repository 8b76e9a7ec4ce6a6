// A provider on loopback that answers in OpenAI's and Anthropic's forms; a child process of the load scripts. Its model's name says how:
// "chunks=30&every_ms=1000". Prints its port.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Asked {
  readonly model: string;
  readonly stream?: boolean;
}

const chunk = (delta: object, finish: string | null): string =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const whole = JSON.stringify({
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'word '.repeat(20) }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 },
});

/** Streams that get a chunk at each tick. */
const streams = new Map<number, Set<() => void>>();
function every(ms: number, tick: () => void): () => void {
  let group = streams.get(ms);
  if (group === undefined) {
    const made = new Set<() => void>();
    streams.set(ms, made);
    setInterval(() => {
      for (const one of made) one();
    }, ms);
    group = made;
  }
  const ticks = group;
  ticks.add(tick);
  return () => void ticks.delete(tick);
}

function stream(response: ServerResponse, chunks: number, everyMs: number): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(chunk({ role: 'assistant', content: '' }, null));
  let left = chunks;
  const stop = every(everyMs, () => {
    if (left-- > 0) return void response.write(chunk({ content: 'word ' }, null));
    stop();
    response.end(`${chunk({}, 'stop')}data: [DONE]\n\n`);
  });
  response.once('close', stop);
}

const server = createServer(async (request, response) => {
  let text = '';
  try {
    for await (const part of request) text += part;
  } catch {
    return;
  }
  if (request.method !== 'POST') return void response.writeHead(404).end();
  const { model, stream: isStream } = JSON.parse(text) as Asked;
  const shape = new URLSearchParams(model);
  const everyMs = Number(shape.get('every_ms') ?? 20);
  const chunks = Number(shape.get('chunks') ?? 10);
  if (isStream === true) return stream(response, chunks, everyMs);
  const timer = setTimeout(() => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(whole);
  }, everyMs);
  response.once('close', () => clearTimeout(timer));
});
server.keepAliveTimeout = 5_000;
server.listen(0, '127.0.0.1', 65_535, () => console.log((server.address() as AddressInfo).port));
process.once('disconnect', () => process.exit(0));
