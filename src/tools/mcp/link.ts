import { Client, ProtocolError } from '@modelcontextprotocol/client';
import type { Watchdog } from '../../base/watchdog.ts';
import type { McpTransport } from '../../config/mcp-servers.ts';
import { createHttpTransport } from './http.ts';
import { StdioTransport } from './stdio.ts';

/** A connection to a server that is up, or was. */
export interface Link {
  readonly client: Client;
  /** Resolves when the connection is gone. */
  readonly gone: Promise<void>;
  /** How a process ended and what it said last; '' for other servers. */
  describeEnd(): string;
  /** Ends it: for a process, gently first. Resolves when nothing is left of it. */
  close(): Promise<void>;
}

export interface LinkOptions {
  readonly watchdog: Watchdog;
  /** Version that servers are told. */
  readonly version: string;
  /** Longest wait for the server's first answer, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** The list of tools has changed. */
  readonly onListChanged: () => void;
  /** Something went wrong beside the calls; a broken stream of notifications, say. */
  readonly onError: (error: Error) => void;
}

/** Revision of the protocol that has no `initialize`. */
const modern = '2026-07-28';
/** How long a server on HTTP is waited for when a session is ended, in milliseconds. */
const farewellMs = 1_000;
/** After how much quiet a changed list is asked for, in milliseconds. */
const debounceMs = 300;

/**
 * Connects. A process is asked in the form that every server knows, and then in that of the revision that has no other; the SDK's own way
 * would start each process twice. A server on HTTP is asked which revisions it knows.
 */
export async function openLink(server: McpTransport, options: LinkOptions): Promise<Link> {
  if (server.kind === 'http') return openHttp(server, options);
  try {
    return await openProcess(server, options, 'legacy');
  } catch (error) {
    // It runs and answers, but not to that.
    if (!(error instanceof ProtocolError) || options.signal.aborted) throw error;
    return openProcess(server, options, { pin: modern });
  }
}

type Negotiation = 'legacy' | 'auto' | { pin: string };

function createClient({ version, onListChanged, onError }: LinkOptions, mode: Negotiation): Client {
  const client = new Client(
    { name: 'llm-gateway', version },
    {
      capabilities: {},
      versionNegotiation: { mode },
      listChanged: { tools: { autoRefresh: false, debounceMs, onChanged: onListChanged } },
    },
  );
  client.onerror = onError;
  return client;
}

async function openProcess(
  server: Extract<McpTransport, { kind: 'stdio' }>,
  options: LinkOptions,
  mode: Negotiation,
): Promise<Link> {
  const { timeoutMs: timeout, signal } = options;
  const transport = new StdioTransport(server, options.watchdog);
  const client = createClient(options, mode);
  const gone = new Promise<void>((resolve) => {
    client.onclose = resolve;
  });
  const describeEnd = (): string =>
    [transport.ending, transport.stderrTail].filter((text) => text !== '').join(': ');
  try {
    await client.connect(transport, { timeout, signal });
  } catch (error) {
    await transport.close();
    if (!(error instanceof ProtocolError) && error instanceof Error) error.cause ??= new Error(describeEnd());
    throw error;
  }
  return { client, gone, describeEnd, close: () => transport.close() };
}

async function openHttp(
  server: Extract<McpTransport, { kind: 'http' }>,
  options: LinkOptions,
): Promise<Link> {
  const { timeoutMs: timeout, signal } = options;
  const { transport, end } = createHttpTransport(server);
  const client = createClient(options, 'auto');
  const gone = new Promise<void>((resolve) => {
    client.onclose = resolve;
  });
  try {
    await client.connect(transport, { timeout, signal });
  } catch (error) {
    await end(0);
    throw error;
  }
  return { client, gone, describeEnd: () => '', close: () => end(farewellMs) };
}
