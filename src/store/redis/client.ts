import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress, RedisNode } from '../../config/redis-url.ts';

/** Longest time to connect, in milliseconds. */
const connectMs = 1_000;
/** A connection on which nothing came for so long after a command is given up, in milliseconds. */
const silenceMs = 2_000;

/** Time until the next try to connect, in milliseconds: soon at first, then once a second, for ever. */
const backoff = (tries: number): number => Math.min(50 * 2 ** Math.min(tries, 5), 1_000);

/** A client that connects by itself, for ever, and keeps no commands for later. */
export function clientFor(address: RedisAddress, timeoutMs: number): Redis | Cluster {
  const { kind, nodes, master, tls, username, password, database } = address;
  const common = {
    // Whoever asked is told earlier, by the connection's own limit; this one only clears away.
    commandTimeout: silenceMs,
    connectTimeout: connectMs,
    socketTimeout: silenceMs,
    // What is not answered has failed; it must not happen later, when its caller has long been told.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // A server that was demoted says so; the connection then finds its successor.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    connectionName: 'llm-gateway',
    ...(username === '' ? {} : { username }),
    ...(password === null ? {} : { password: password.reveal() }),
    ...(tls ? { tls: {} } : {}),
  } satisfies RedisOptions;
  if (kind === 'cluster') {
    return new Cluster([...nodes], {
      redisOptions: common,
      enableOfflineQueue: false,
      clusterRetryStrategy: backoff,
      slotsRefreshTimeout: connectMs,
      slotsRefreshInterval: 5_000,
      // A name in the URL is a name for TLS as well.
      ...(tls ? { dnsLookup: (host, callback) => callback(null, host) } : {}),
    });
  }
  const one = { ...common, db: database, enableOfflineQueue: false, retryStrategy: backoff };
  if (kind === 'sentinel') {
    return new Redis({
      ...one,
      sentinels: [...nodes],
      name: master,
      sentinelRetryStrategy: backoff,
      sentinelCommandTimeout: timeoutMs,
      enableTLSForSentinelMode: tls,
    });
  }
  return new Redis({ ...one, ...(nodes[0] as RedisNode) });
}
