import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type CliPoolHealth,
  CliPoolHealthSchema,
  type ListCliSessionsResponse,
  ListCliSessionsResponseSchema,
} from '../../gen/llmgateway/v1/cli_session_pb.js';
import { requireAdminAmongKeys } from '../auth/admin.ts';
import type { Principal } from '../auth/principal.ts';
import type { PoolView, SessionView } from '../cli-pool/pool.ts';
import { redactText } from '../observability/redact.ts';

/** The pool of one process of the gateway. */
export interface WorkerPool {
  /** Number of the process. */
  readonly worker: number;
  readonly view: PoolView;
}

/** Sessions with a command-line program as an object: RPC and REST call the same one. */
export interface CliSessionsApi {
  list(principal: Principal): Promise<ListCliSessionsResponse>;
  /** Null when there is no pool. */
  health(): Promise<CliPoolHealth | null>;
  readonly backend: () => string;
}

const maxError = 500;

/** @param pools of all processes of the gateway */
export function cliSessionsApi(
  backend: () => string,
  pools: () => Promise<readonly WorkerPool[]>,
): CliSessionsApi {
  const total = (found: readonly WorkerPool[], count: (view: PoolView) => number): number =>
    found.reduce((sum, { view }) => sum + count(view), 0);
  return {
    backend,
    async list(principal) {
      requireAdminAmongKeys(principal);
      const found = await pools();
      return create(ListCliSessionsResponseSchema, {
        backend: backend(),
        poolSize: total(found, ({ size }) => size),
        waiting: total(found, ({ waiting }) => waiting),
        degraded: found.some(({ view }) => view.degraded),
        sessions: found.flatMap(({ worker, view }) =>
          view.sessions.map((session) => sessionOf(worker, session)),
        ),
      });
    },
    async health() {
      const found = await pools();
      if (found.length === 0) return null;
      const counted = (status: string) =>
        total(found, ({ sessions }) => sessions.filter((session) => session.status === status).length);
      return create(CliPoolHealthSchema, {
        size: total(found, ({ size }) => size),
        idle: counted('idle'),
        busy: counted('busy'),
        starting: counted('starting'),
        dead: counted('dead'),
        recycling: counted('recycling'),
        overflow: total(found, ({ sessions }) => sessions.filter(({ kind }) => kind === 'overflow').length),
        waiting: total(found, ({ waiting }) => waiting),
        degraded: found.some(({ view }) => view.degraded),
      });
    },
  };
}

const sessionOf = (worker: number, session: SessionView) => ({
  id: `${worker}.${session.id}`,
  status: session.status,
  model: session.model,
  pid: session.pid ?? 0,
  kind: session.kind,
  turns: session.turns,
  requestsServed: session.served,
  createdAt: timestampFromMs(session.createdAt),
  ...(session.lastUsedAt === null ? {} : { lastUsedAt: timestampFromMs(session.lastUsedAt) }),
  ...(session.lastPingAt === null ? {} : { lastPingAt: timestampFromMs(session.lastPingAt) }),
  currentRequestId: session.requestId ?? '',
  cliSessionId: session.ownId ?? '',
  lastError: redactText(session.lastError ?? '', maxError),
});
