import path from 'node:path';
import { type FieldsOf, readFields } from './fields.ts';
import { isMap } from './file.ts';
import type { Problems } from './problems.ts';
import { args, env } from './process-fields.ts';
import { headers } from './provider-fields.ts';
import { secretHeaders } from './secret.ts';
import { duration, flag, text, type ValueReader, Wrong } from './values.ts';

/** How an MCP server is reached. */
export type McpTransport =
  | {
      /** A process of its own, spoken to on its standard input and output. */
      readonly kind: 'stdio';
      readonly command: string;
      readonly args: readonly string[];
      /** Set for the process, besides the few that every process needs. A dump shows only the names. */
      readonly env: Readonly<Record<string, string>>;
      /** Folder that it runs in, absolute. */
      readonly cwd: string;
    }
  | {
      /** Streamable HTTP. */
      readonly kind: 'http';
      readonly url: string;
      /** Sent with every request; names in lower case. A dump shows only the names. */
      readonly headers: Readonly<Record<string, string>>;
    };

/** One MCP server, as configured. */
export interface McpServerConfig {
  /** Lower-case letters, digits, "-" and "_", at most 32; neither `__` in it nor `_` at its end, so that tool names stay unique. */
  readonly name: string;
  readonly transport: McpTransport;
  /** Longest call of one of its tools, in milliseconds. */
  readonly timeoutMs: number;
  /** Names of the tools that are taken, as the server calls them; null for all. */
  readonly tools: readonly string[] | null;
}

/** More are refused: each one is a process, or a connection that stays. */
export const maxMcpServers = 64;
const defaultTimeoutMs = 60_000;

const tools: ValueReader<readonly string[]> = (raw) =>
  Array.isArray(raw) &&
  raw.length >= 1 &&
  raw.length <= 1_000 &&
  raw.every((item) => typeof item === 'string' && item !== '' && item.length <= 256)
    ? (raw as string[])
    : new Wrong('a list of 1 to 1000 names of tools');

/** Kept as it is: a slash at its end may matter, and some servers want a query. */
const endpoint: ValueReader<string> = (raw) => {
  const wrong = new Wrong('an http or https URL without credentials and fragment');
  if (typeof raw !== 'string' || raw.length > 4_096 || /\s/.test(raw) || !URL.canParse(raw)) return wrong;
  const { protocol, hash, username, password } = new URL(raw);
  const isPlain = hash === '' && username === '' && password === '' && !raw.endsWith('#');
  return isPlain && (protocol === 'http:' || protocol === 'https:') ? raw : wrong;
};

/** What an MCP server may have in the file. */
export const mcpServerFields = {
  enabled: flag,
  command: text,
  args,
  env,
  cwd: text,
  url: endpoint,
  headers,
  timeout: duration(100, 3_600_000),
  tools,
} as const;

/** What these mean, for the documentation. */
export const mcpServerDocs: Readonly<Record<keyof typeof mcpServerFields, string>> = {
  enabled: 'Whether it is there at all',
  command: 'Program to start; it is spoken to on its standard input and output',
  args: 'Its arguments',
  env: 'Environment variables for it; nothing else of the environment of the gateway reaches it but the likes of `PATH` and `HOME`',
  cwd: 'Folder that it runs in; default: that of the gateway',
  url: 'Address of a server on streamable HTTP, instead of `command`',
  headers: 'Sent to it with every request',
  timeout: 'Longest call of one of its tools; default 1m',
  tools: 'Names of the tools to take, as the server calls them; default: all',
};

type Fields = FieldsOf<typeof mcpServerFields>;

/**
 * The MCP servers of the file.
 * @param given what `mcp_servers` is in the file
 * @param cwd folder that relative paths start from
 */
export function readMcpServers(given: unknown, cwd: string, problems: Problems): McpServerConfig[] {
  if (given === undefined || given === null) return [];
  if (!isMap(given)) {
    problems.wrong('mcp_servers', given, 'a map from names to settings');
    return [];
  }
  const entries = Object.entries(given);
  if (entries.length > maxMcpServers)
    problems.add(`mcp_servers: are ${entries.length}, have to be at most ${maxMcpServers}`);
  return entries.flatMap(([name, raw]) => readServer(name, raw, cwd, problems) ?? []);
}

function readServer(name: string, raw: unknown, cwd: string, problems: Problems): McpServerConfig | null {
  const place = `mcp_servers.${name}`;
  if (!/^[a-z\d](?:[a-z\d-]|_(?!_|$)){0,31}$/.test(name)) {
    problems.add(
      `${place}: an MCP server's name has to be at most 32 lower-case letters, digits, "-" and single "_", a letter or digit first and no "_" last`,
    );
    return null;
  }
  const fields = readFields(place, raw, mcpServerFields, problems);
  if (fields === null) return null;
  const transport = readTransport(place, fields, isMap(raw) ? raw : {}, cwd, problems);
  if (transport === null || fields.enabled === false) return null;
  return { name, transport, timeoutMs: fields.timeout ?? defaultTimeoutMs, tools: fields.tools ?? null };
}

/** Fields that have a meaning for one kind only. */
const ownFields = { command: ['args', 'env', 'cwd'], url: ['headers'] } as const;

function readTransport(
  place: string,
  fields: Fields,
  raw: Readonly<Record<string, unknown>>,
  cwd: string,
  problems: Problems,
): McpTransport | null {
  const given = (['command', 'url'] as const).filter(
    (field) => ![undefined, null, ''].includes(raw[field] as never),
  );
  const [kind] = given;
  if (kind === undefined || given.length > 1) {
    problems.add(
      `${place}: has to have ${given.length > 1 ? 'either' : 'a'} command or ${given.length > 1 ? '' : 'a '}url`,
    );
    return null;
  }
  const other = kind === 'command' ? 'url' : 'command';
  for (const field of ownFields[other]) {
    if (fields[field] !== undefined)
      problems.add(`${place}.${field}: has a meaning for servers with ${other} only`);
  }
  if (kind === 'url') {
    if (fields.url === undefined) return null;
    return { kind: 'http', url: fields.url, headers: secretHeaders(fields.headers ?? {}) };
  }
  if (fields.command === undefined) return null;
  return {
    kind: 'stdio',
    command: fields.command,
    args: fields.args ?? [],
    env: secretHeaders(fields.env ?? {}),
    cwd: path.resolve(cwd, fields.cwd ?? ''),
  };
}
