import type { Timestamp } from '@bufbuild/protobuf/wkt';
import type { Session } from '../../gen/llmgateway/v1/session_service_pb.js';
import { readInteger, readObjectText } from '../codec/fields.ts';
import { encodeTranscript } from '../codec/openai-chat/encode-transcript.ts';
import type { SessionApi } from '../rpc/session-api.ts';
import { pageSize, ttlSeconds } from '../sessions/sessions.ts';
import { type Exchange, type RestHandler, readMembers, refuseOthers, sendJson } from './exchange.ts';

/** What the session routes are made of. */
export interface SessionRoutes {
  readonly api: SessionApi;
  /** Largest request body in bytes. */
  readonly maxBodyBytes: () => number;
}

/** POST /v1/sessions. */
export const createSession =
  ({ api, maxBodyBytes }: SessionRoutes): RestHandler =>
  async (exchange) => {
    const body = await readMembers(exchange, maxBodyBytes(), ['ttl_seconds', 'context']);
    const { ttl_seconds: ttl = null, context = null } = body;
    const session = await api.createSession(exchange.principal.tenant, {
      ttlSeconds: ttl === null ? null : readInteger(ttl, 'ttl_seconds', ttlSeconds.least, ttlSeconds.most),
      contextJson: context === null ? '' : readObjectText(context, 'context'),
      contextField: 'context',
    });
    sendJson(exchange, 201, wholeSession(session));
  };

/** GET /v1/sessions/{id}. */
export const getSession =
  ({ api }: SessionRoutes): RestHandler =>
  async (exchange) =>
    sendJson(exchange, 200, wholeSession(await api.getSession(exchange.principal.tenant, idOf(exchange))));

/** DELETE /v1/sessions/{id}. */
export const deleteSession =
  ({ api }: SessionRoutes): RestHandler =>
  async (exchange) => {
    await api.deleteSession(exchange.principal.tenant, idOf(exchange));
    if (exchange.res.destroyed) return;
    exchange.res.writeHead(204, { 'x-request-id': exchange.requestId });
    exchange.res.end();
  };

/** GET /v1/sessions. */
export const listSessions =
  ({ api }: SessionRoutes): RestHandler =>
  async (exchange) => {
    const query = new URLSearchParams(exchange.query);
    refuseOthers(query.keys(), ['limit', 'after']);
    const given = query.get('limit');
    const limit = given === null || !/^\d{1,9}$/.test(given) ? given : Number(given);
    const { sessions, nextPageToken } = await api.listSessions(exchange.principal.tenant, {
      limit: limit === null ? 0 : readInteger(limit, 'limit', 1, pageSize.most),
      token: query.get('after') ?? '',
      tokenField: 'after',
    });
    const next = nextPageToken === '' ? 'null' : JSON.stringify(nextPageToken);
    const data = sessions.map(shortSession).join(',');
    sendJson(
      exchange,
      200,
      `{"object":"list","data":[${data}],"has_more":${nextPageToken !== ''},"next":${next}}`,
    );
  };

const idOf = ({ path }: Exchange): string => path.replace(/^(\/v1)?\/sessions\//, '').replace(/\/$/, '');

const wholeSession = (session: Session): string =>
  `{"id":${JSON.stringify(session.id)},"messages":${encodeTranscript(session.messages)},${facts(session)}}`;

const shortSession = (session: Session): string => `{"id":${JSON.stringify(session.id)},${facts(session)}}`;

const facts = ({ contextJson, createdAt, expiresAt }: Session): string =>
  `"context":${contextJson},"created_at":"${isoTime(createdAt)}","expires_at":"${isoTime(expiresAt)}"`;

/** ISO 8601 in UTC with microseconds. */
function isoTime({ seconds = 0n, nanos = 0 }: Partial<Timestamp> = {}): string {
  const whole = new Date(Number(seconds) * 1_000).toISOString().slice(0, 19);
  return `${whole}.${String(Math.floor(nanos / 1_000)).padStart(6, '0')}+00:00`;
}
