import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { afterEach } from 'vitest';
import { createPort, type Port, type PortOptions } from '../../../src/server/port.ts';

type Cleanup = () => unknown;
const cleanups: Cleanup[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Runs after the test, last registered first. */
export function afterTest(cleanup: Cleanup): void {
  cleanups.push(cleanup);
}

export interface OpenPort {
  port: Port;
  number: number;
  url: string;
}

/** A port on loopback, closed after the test. */
export async function openPort(options: PortOptions): Promise<OpenPort> {
  const port = createPort(options);
  const { port: number } = await port.listen({ port: 0, host: '127.0.0.1' });
  afterTest(() => port.close());
  return { port, number, url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${number}` };
}

/** A value that arrives later. */
export function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((r) => {
    resolve = r;
  });
  return { promise, resolve };
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
}

/** One HTTP/1 request by node:http. `body` may be written by a function, which then ends the request. */
export function get1(
  url: string,
  options: http.RequestOptions = {},
  write?: (req: http.ClientRequest) => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = http.request(url, options, (res) => resolve(collect(res)));
    req.on('error', reject);
    if (write) write(req);
    else req.end();
  });
}

async function collect(res: http.IncomingMessage): Promise<Answer> {
  let text = '';
  for await (const chunk of res.setEncoding('utf8')) text += chunk;
  return { status: res.statusCode ?? 0, headers: res.headers, text };
}

/** An HTTP/2 client session, destroyed after the test. */
export function connect2(
  url: string,
  options?: http2.ClientSessionOptions | http2.SecureClientSessionOptions,
): http2.ClientHttp2Session {
  const session = http2.connect(url, options);
  session.on('error', () => {});
  afterTest(() => session.destroy());
  return session;
}

export interface Answer2 extends Answer {
  trailers: http2.IncomingHttpHeaders;
  /** The HTTP/2 error code the stream was closed with; 0 is none. */
  code: number;
}

/** One HTTP/2 request; resolves when its stream is closed, however. */
export function call2(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  write?: (stream: http2.ClientHttp2Stream) => void,
): Promise<Answer2> {
  return new Promise((resolve) => {
    const stream = session.request(headers, { endStream: write === undefined });
    const answer: Answer2 = { status: 0, headers: {}, text: '', trailers: {}, code: 0 };
    stream.setEncoding('utf8');
    stream.on('response', (received) => {
      answer.status = Number(received[':status']);
      answer.headers = received as http.IncomingHttpHeaders;
    });
    stream.on('trailers', (trailers) => {
      answer.trailers = trailers;
    });
    stream.on('data', (chunk: string) => {
      answer.text += chunk;
    });
    stream.on('error', () => {});
    stream.on('close', () => {
      answer.code = stream.rstCode ?? -1;
      resolve(answer);
    });
    write?.(stream);
  });
}

/** A bare TCP connection that keeps all it receives. */
export class RawClient {
  readonly socket: net.Socket;
  received = Buffer.alloc(0);
  /** Resolves when the server has closed its side, or the connection broke. */
  readonly closed: Promise<void>;

  constructor(port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    afterTest(() => this.socket.destroy());
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  /** Resolves when the bytes were handed to the kernel. */
  write(bytes: string | Buffer): Promise<void> {
    return new Promise((resolve) => this.socket.write(bytes, () => resolve()));
  }

  /** Resolves when the text received matches. */
  async until(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = this.text.match(pattern);
      if (match) return match;
      if (this.socket.destroyed) throw new Error(`closed before ${pattern}: ${JSON.stringify(this.text)}`);
      await Promise.race([new Promise((resolve) => this.socket.once('data', resolve)), this.closed]);
    }
  }
}
