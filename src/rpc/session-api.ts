import { create } from '@bufbuild/protobuf';
import { type Timestamp, TimestampSchema } from '@bufbuild/protobuf/wkt';
import { type Session, SessionSchema } from '../../gen/llmgateway/v1/session_service_pb.js';
import { decodeMessages } from '../sessions/messages.ts';
import type { NewSession, PageRequest, Sessions } from '../sessions/sessions.ts';
import type { SessionFacts } from '../sessions/store.ts';

/** SessionService as an object: RPC and REST call the same one. Rejects with GatewayError. */
export interface SessionApi {
  createSession(tenant: string, wanted: NewSession): Promise<Session>;
  getSession(tenant: string, id: string): Promise<Session>;
  deleteSession(tenant: string, id: string): Promise<void>;
  listSessions(tenant: string, page: PageRequest): Promise<{ sessions: Session[]; nextPageToken: string }>;
}

export function sessionApi(sessions: Sessions): SessionApi {
  return {
    async createSession(tenant, wanted) {
      return sessionMessage(await sessions.create(tenant, wanted));
    },
    async getSession(tenant, id) {
      const stored = await sessions.get(tenant, id);
      return { ...sessionMessage(stored), messages: decodeMessages(stored.messages) };
    },
    deleteSession: (tenant, id) => sessions.delete(tenant, id),
    async listSessions(tenant, page) {
      const { sessions: found, next } = await sessions.list(tenant, page);
      return { sessions: found.map(sessionMessage), nextPageToken: next };
    },
  };
}

const sessionMessage = ({ id, createdUs, expiresUs, contextJson }: SessionFacts): Session =>
  create(SessionSchema, {
    id,
    contextJson,
    createdAt: timestamp(createdUs),
    expiresAt: timestamp(expiresUs),
  });

const timestamp = (us: number): Timestamp =>
  create(TimestampSchema, { seconds: BigInt(Math.floor(us / 1e6)), nanos: (us % 1e6) * 1_000 });
