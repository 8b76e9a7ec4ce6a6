import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import { createUpstreamClient, type UpstreamClient, type UpstreamRequest } from '../../../src/http/client.ts';

/** A request as the upstream saw it, with the socket to answer on. */
export interface ReceivedRequest {
  head: string;
  body: string;
  socket: Socket;
  /** The n-th request on its connection, from 1. */
  nth: number;
  /** Resolves when the connection is gone, with the time on the clock of `performance.now()`. */
  gone: Promise<number>;
}

export interface ScriptedUpstream {
  origin: string;
  port: number;
  /** The next request, once it is there in full. */
  request(): Promise<ReceivedRequest>;
  /** Answers all further requests by itself. */
  answerAll(answer: (request: ReceivedRequest) => void): void;
  /** Connections accepted so far. */
  connections(): number;
  /** The next connection to be accepted. */
  connection(): Promise<Socket>;
  close(): void;
}

/** A server on loopback that speaks bytes: the test says what, and when. */
export async function startUpstream(): Promise<ScriptedUpstream> {
  const sockets = new Set<Socket>();
  const received: ReceivedRequest[] = [];
  const waiting: ((request: ReceivedRequest) => void)[] = [];
  let answer: ((request: ReceivedRequest) => void) | null = null;
  let accepted = 0;
  const server = net.createServer((socket) => {
    accepted++;
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    const gone = new Promise<number>((resolve) => {
      socket.once('close', () => {
        sockets.delete(socket);
        resolve(performance.now());
      });
    });
    let nth = 0;
    readRequests(socket, (head, body) => {
      const request = { head, body, socket, nth: ++nth, gone };
      if (answer !== null) answer(request);
      else if (waiting.length > 0) waiting.shift()!(request);
      else received.push(request);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    request() {
      const first = received.shift();
      if (first !== undefined) return Promise.resolve(first);
      return new Promise((resolve) => waiting.push(resolve));
    },
    answerAll(with_) {
      answer = with_;
    },
    connections: () => accepted,
    async connection() {
      const [socket] = await once(server, 'connection');
      return socket as Socket;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function readRequests(socket: Socket, onRequest: (head: string, body: string) => void): void {
  let chunks: Buffer[] = [];
  let size = 0;
  let needed = 0;
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    while (size > 0 && size >= needed) {
      const bytes = Buffer.concat(chunks);
      const end = bytes.indexOf('\r\n\r\n');
      if (end === -1) return;
      const head = bytes.toString('latin1', 0, end);
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
      needed = end + 4 + length;
      if (size < needed) return;
      const body = bytes.toString('utf8', end + 4, needed);
      chunks = [bytes.subarray(needed)];
      size -= needed;
      needed = 0;
      onRequest(head, body);
    }
  });
}

export const STREAM_HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';

/** One chunk of a chunked body. */
export const chunked = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

/** A whole answer with a content-length. */
export const answered = (body: string, status = '200 OK'): string =>
  `HTTP/1.1 ${status}\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

export const NO_TIMEOUTS = { connectMs: Infinity, firstByteMs: Infinity, idleMs: Infinity };

/** A request with everything filled in. */
export function post(origin: string, changes: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    origin,
    path: '/v1/chat/completions',
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
    signal: null,
    timeouts: NO_TIMEOUTS,
    ...changes,
  };
}

/** An upstream and a client for it, to be closed together. */
export async function startPair(
  options: Parameters<typeof createUpstreamClient>[0] = {},
): Promise<{ upstream: ScriptedUpstream; client: UpstreamClient; stop: () => Promise<void> }> {
  const upstream = await startUpstream();
  const client = createUpstreamClient(options);
  return {
    upstream,
    client,
    async stop() {
      await client.destroy();
      upstream.close();
    },
  };
}

/** Lets the event loop turn, so that everything the kernel has is delivered. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}

/**
 * Turns the event loop until `value` has stayed the same for many turns; what flows has then come to rest.
 */
export async function atRest(value: () => number): Promise<number> {
  let last = value();
  for (let calm = 0; calm < 2_000; calm++) {
    await new Promise(setImmediate);
    const now = value();
    if (now !== last) calm = 0;
    last = now;
  }
  return last;
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('expected a rejection');
    },
    (reason: unknown) => reason,
  );
}
