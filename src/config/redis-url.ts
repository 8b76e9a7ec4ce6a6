import { rememberSecret } from '../observability/redact.ts';
import { Secret } from './secret.ts';
import { type ValueReader, Wrong } from './values.ts';

/** One server of a Redis. */
export interface RedisNode {
  /** Name or address, without the brackets of IPv6. */
  readonly host: string;
  readonly port: number;
}

/** Where a Redis is and how to get in. */
export interface RedisAddress {
  /** One server; one that Sentinels tell of; a Cluster. */
  readonly kind: 'single' | 'sentinel' | 'cluster';
  /** The server, the Sentinels, or some of the Cluster's nodes: at least one. */
  readonly nodes: readonly RedisNode[];
  /** The Sentinels' name of the server; '' for the other kinds. */
  readonly master: string;
  readonly tls: boolean;
  /** '' for Redis's default user. */
  readonly username: string;
  readonly password: Secret | null;
  /** Number of the database; 0 in a Cluster. */
  readonly database: number;
}

const schemes: Readonly<Record<string, readonly [RedisAddress['kind'], boolean]>> = {
  redis: ['single', false],
  rediss: ['single', true],
  'redis+sentinel': ['sentinel', false],
  'rediss+sentinel': ['sentinel', true],
  'redis+cluster': ['cluster', false],
  'rediss+cluster': ['cluster', true],
};

const defaultPorts = { single: 6379, sentinel: 26_379, cluster: 6379 } as const;
/** More are not needed to find the others. */
const maxNodes = 64;

// The form is told in a way that is not taken for a URL with a password in it, which logs would mask.
const wrong = new Wrong(
  'redis://host[:port][/database] (user:password@host where it asks for them), redis+sentinel://host,host/master-name[/database] or redis+cluster://host,host; rediss… with TLS',
);

/**
 * A Redis URL: `redis://`, `redis+sentinel://` or `redis+cluster://`, each with `rediss` for TLS. Hosts are separated by commas; user and
 * password are percent-encoded and hold for the servers, not for Sentinels.
 */
export const redisAddress: ValueReader<RedisAddress> = (raw) => {
  if (typeof raw !== 'string') return wrong;
  const match = /^([a-z+]+):\/\/(?:([^/?#]*)@)?([^/?#@]+)((?:\/[^/?#]*){0,2})$/i.exec(raw.trim());
  const scheme = schemes[match?.[1]?.toLowerCase() ?? ''];
  if (match === null || scheme === undefined) return wrong;
  const [kind, tls] = scheme;
  const login = readLogin(match[2] ?? '');
  const nodes = readNodes(match[3] as string, defaultPorts[kind]);
  const segments = (match[4] ?? '').split('/').slice(1);
  if (kind !== 'sentinel') segments.unshift('');
  const [master = '', database = ''] = segments.map((segment) => unescaped(segment) ?? '\n');
  const number = database === '' ? 0 : /^\d{1,5}$/.test(database) ? Number(database) : -1;
  const isWhole =
    login !== null &&
    nodes !== null &&
    segments.length <= 2 &&
    number >= 0 &&
    (kind !== 'sentinel' || /^[\w.-]{1,256}$/.test(master)) &&
    (kind !== 'single' || nodes.length === 1) &&
    (kind !== 'cluster' || number === 0);
  return isWhole ? { kind, nodes, master, tls, ...login, database: number } : wrong;
};

function readLogin(text: string): Pick<RedisAddress, 'username' | 'password'> | null {
  const cut = text.indexOf(':');
  const username = unescaped(cut < 0 ? text : text.slice(0, cut));
  const password = cut < 0 ? '' : unescaped(text.slice(cut + 1));
  if (username === null || password === null) return null;
  // As it stands in the URL, too: an error may repeat that.
  if (cut >= 0) rememberSecret(text.slice(cut + 1));
  return { username, password: password === '' ? null : new Secret(password) };
}

function readNodes(text: string, defaultPort: number): RedisNode[] | null {
  const items = text.split(',');
  if (items.length > maxNodes) return null;
  const nodes: RedisNode[] = [];
  for (const item of items) {
    const [, v6, name, port] = /^(?:\[([\da-f:.]+)\]|([\w.-]{1,253}))(?::(\d{1,5}))?$/i.exec(item) ?? [];
    const host = v6 ?? name;
    const number = port === undefined ? defaultPort : Number(port);
    if (host === undefined || number < 1 || number > 65_535) return null;
    nodes.push({ host, port: number });
  }
  return nodes;
}

function unescaped(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
