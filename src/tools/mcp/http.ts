import { type FetchLike, StreamableHTTPClientTransport, type Transport } from '@modelcontextprotocol/client';
import { Agent, fetch as undiciFetch } from 'undici';
import type { McpTransport } from '../../config/mcp-servers.ts';

/** Largest answer, in bytes. A stream of messages that reaches it is cut and begun anew. */
const maxAnswer = 16 * 2 ** 20;
/** Connections to one server; calls beyond wait for one. */
const maxConnections = 64;
const connectTimeoutMs = 10_000;

/** Of the package whose agent it is given: Node's own is of another version. The SDK knows Node's types only. */
const fetchBy = undiciFetch as unknown as (
  url: string | URL,
  init: Omit<RequestInit, 'dispatcher'> & { dispatcher: Agent },
) => Promise<Response>;

/** A transport for streamable HTTP, and what ends its connections. */
export interface HttpTransport {
  readonly transport: Transport;
  /** Tells the server that the session is over, waiting no longer than `ms`, and closes all connections. */
  end(ms: number): Promise<void>;
}

export function createHttpTransport({
  url,
  headers,
}: Extract<McpTransport, { kind: 'http' }>): HttpTransport {
  // Time limits are those of the calls: answers may be long in coming, and the stream of notifications is silent for hours.
  const agent = new Agent({
    connections: maxConnections,
    connect: { timeout: connectTimeoutMs },
    headersTimeout: 0,
    bodyTimeout: 0,
    maxResponseSize: maxAnswer,
  });
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { ...headers } },
    fetch: settlingFetch((address, init) =>
      fetchBy(address, { ...(init as Omit<RequestInit, 'dispatcher'>), dispatcher: agent }),
    ),
    // For as long as the connection is held: a check notices when the session is gone.
    reconnectionOptions: {
      initialReconnectionDelay: 1_000,
      reconnectionDelayGrowFactor: 2,
      maxReconnectionDelay: 60_000,
      maxRetries: 1_000_000,
    },
  });
  return {
    transport,
    async end(ms) {
      const late = new Promise<void>((resolve) => setTimeout(resolve, ms).unref());
      await Promise.race([transport.terminateSession().catch(() => {}), late]);
      await transport.close().catch(() => {});
      await agent.destroy();
    },
  };
}

/**
 * The SDK's transport forgets a request whose stream ends without an answer, so that the call waits for its whole time limit, and keeps
 * the stream of a cancelled one open. This fetch settles both: it ends the stream with an error answer of its own. Streams with
 * event ids are left alone when they break, since the transport takes them up again.
 */
export function settlingFetch(fetch: FetchLike): FetchLike {
  const open = new Map<number, () => void>();
  return async (url, init) => {
    const sent = typeof init?.body === 'string' ? messageOf(init.body) : {};
    const response = await fetch(url, init);
    if (sent.method === 'notifications/cancelled') open.get(sent.params?.requestId ?? -1)?.();
    if (typeof sent.id !== 'number' || sent.method === undefined || !isStream(response)) return response;
    const { id } = sent;
    const body = settled(response.body as ReadableStream<Uint8Array>, id, (settle) => {
      if (settle === null) open.delete(id);
      else open.set(id, settle);
    });
    return new Response(body, { status: response.status, headers: response.headers });
  };
}

interface Sent {
  readonly method?: string;
  readonly id?: unknown;
  readonly params?: { readonly requestId?: number };
}

function messageOf(body: string): Sent {
  try {
    const message: unknown = JSON.parse(body);
    return typeof message === 'object' && message !== null ? message : {};
  } catch {
    return {};
  }
}

const isStream = ({ ok, body, headers }: Response): boolean =>
  ok && body !== null && /^text\/event-stream\b/i.test(headers.get('content-type') ?? '');

function settled(
  source: ReadableStream<Uint8Array>,
  id: number,
  onOpen: (settle: (() => void) | null) => void,
): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  let resumable = false;
  let done = false;
  const finish = (controller: ReadableStreamDefaultController<Uint8Array>, always: boolean): void => {
    if (done) return;
    done = true;
    onOpen(null);
    // After the real answer this one is for nobody, and dropped.
    if (always || !resumable) controller.enqueue(closedAnswer(id));
    controller.close();
  };
  return new ReadableStream({
    start(controller) {
      onOpen(() => {
        finish(controller, true);
        void reader.cancel().catch(() => {});
      });
    },
    async pull(controller) {
      try {
        const { value, done: ended } = await reader.read();
        if (ended) return finish(controller, false);
        if (done) return;
        resumable ||= hasEventId(value);
        controller.enqueue(value);
      } catch {
        finish(controller, false);
      }
    },
    cancel(reason) {
      done = true;
      onOpen(null);
      return reader.cancel(reason);
    },
  });
}

const hasEventId = (chunk: Uint8Array): boolean => /^id:/m.test(Buffer.from(chunk).toString('latin1'));

/** Code that the answer of a broken stream has; none that JSON-RPC gives to servers. */
export const brokenStreamCode = -32_500;

const closedAnswer = (id: number): Uint8Array =>
  Buffer.from(
    `\n\ndata: ${JSON.stringify({ jsonrpc: '2.0', id, error: { code: brokenStreamCode, message: 'the stream ended without an answer' } })}\n\n`,
  );
