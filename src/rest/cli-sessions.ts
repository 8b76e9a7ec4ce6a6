import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import type { CliPoolHealth, CliSession } from '../../gen/llmgateway/v1/cli_session_pb.js';
import type { CliSessionsApi } from '../rpc/cli-sessions-api.ts';
import { type RestHandler, sendJson } from './exchange.ts';

/** GET /sessions: the sessions with a command-line program. */
export const listCliSessions =
  (api: CliSessionsApi): RestHandler =>
  async (exchange) => {
    const { backend, poolSize, sessions, waiting, degraded } = await api.list(exchange.principal);
    const count = (fits: (session: CliSession) => boolean): number => sessions.filter(fits).length;
    const body = {
      backend,
      pool_size: poolSize,
      total: sessions.length,
      waiting,
      degraded,
      sessions: sessions.map(sessionJson),
      counts: {
        idle: count(({ status }) => status === 'idle'),
        busy: count(({ status }) => status === 'busy'),
        starting: count(({ status }) => status === 'starting'),
        recycling: count(({ status }) => status === 'recycling'),
        dead: count(({ status }) => status === 'dead'),
        overflow: count(({ kind }) => kind === 'overflow'),
      },
    };
    sendJson(exchange, 200, JSON.stringify(body));
  };

const time = (at: Timestamp | undefined): string | null =>
  at === undefined ? null : timestampDate(at).toISOString();

const sessionJson = (session: CliSession): Record<string, unknown> => ({
  id: session.id,
  status: session.status,
  model: session.model,
  pid: session.pid || null,
  kind: session.kind,
  turns: session.turns,
  requests_served: session.requestsServed,
  created_at: time(session.createdAt),
  last_used_at: time(session.lastUsedAt),
  last_ping_at: time(session.lastPingAt),
  current_request_id: session.currentRequestId || null,
  cli_session_id: session.cliSessionId || null,
  last_error: session.lastError || null,
});

/** As members of the health's body. */
export const cliPoolJson = (pool: CliPoolHealth): Record<string, unknown> => ({
  size: pool.size,
  idle: pool.idle,
  busy: pool.busy,
  starting: pool.starting,
  dead: pool.dead,
  overflow: pool.overflow,
  waiting: pool.waiting,
  degraded: pool.degraded,
});
