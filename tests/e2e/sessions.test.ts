import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ErrorDetailSchema, ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { SessionService } from '../../gen/llmgateway/v1/session_service_pb.js';
import { type RpcFace, type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { type RestError, sessionsAt } from '../support/sessions.ts';

let gateway: RunningGateway;
let sessions: ReturnType<typeof sessionsAt>;
beforeAll(async () => {
  gateway = await startGateway({ LLM_GATEWAY_SESSION_TTL_SECONDS: '120' });
  sessions = sessionsAt(gateway.url);
});
afterAll(() => gateway.stop());

const uuid = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/;
const lifeOf = ({ created_at, expires_at }: { created_at: string; expires_at: string }): number =>
  (Date.parse(expires_at) - Date.parse(created_at)) / 1000;

describe('sessions on REST', () => {
  test('are made with defaults, in the form of the contract', async () => {
    const response = await sessions.post({});
    expect(response.status).toBe(201);
    expect(response.headers.get('content-type')).toBe('application/json');
    const session = (await response.json()) as Awaited<ReturnType<typeof sessions.read>>;
    expect(Object.keys(session)).toEqual(['id', 'messages', 'context', 'created_at', 'expires_at']);
    expect(session).toMatchObject({ messages: [], context: {} });
    expect(session.id).toMatch(uuid);
    expect(session.created_at).toMatch(time);
    expect(session.expires_at).toMatch(time);
    expect(Math.abs(Date.parse(session.created_at) - Date.now())).toBeLessThan(10_000);
    expect(lifeOf(session)).toBe(120);
    expect(await sessions.read(session.id)).toEqual(session);
  });

  test('take a life and a context, and give it back as it was', async () => {
    const context = { taxonomy: 'ai-ml', tier_filter: [1, 2], mine: { ä: [null, 1.5, '😀'] } };
    const session = await sessions.make({ ttl_seconds: 60, context });
    expect(session.context).toEqual(context);
    expect(lifeOf(session)).toBe(60);
    expect((await sessions.read(session.id)).context).toEqual(context);
    expect(lifeOf(await sessions.make({ ttl_seconds: 2_592_000, context: null }))).toBe(2_592_000);
    expect(lifeOf(await sessions.make({ ttl_seconds: null }))).toBe(120);
  });

  test.each([
    ['ttl_seconds', { ttl_seconds: 59 }],
    ['ttl_seconds', { ttl_seconds: 2_592_001 }],
    ['ttl_seconds', { ttl_seconds: 60.5 }],
    ['ttl_seconds', { ttl_seconds: '60' }],
    ['context', { context: [] }],
    ['context', { context: 'x' }],
    ['context', { context: { long: 'x'.repeat(65_536) } }],
    ['context.taxonomy', { context: { taxonomy: 1 } }],
    ['context.tier_filter', { context: { tier_filter: ['1'] } }],
    ['context.tier_filter', { context: { tier_filter: 1 } }],
    ['ttl', { ttl: 60 }],
    ['messages', { messages: [] }],
    ['body', []],
    ['body', 'nothing'],
    ['body', ''],
  ])('are refused by the name of %s: %j', async (param, body) => {
    const response = await sessions.post(body);
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as RestError;
    expect(error).toMatchObject({ type: 'invalid_request_error', param, code: null });
    expect(error.message).not.toBe('');
  });

  test('are deleted with an empty 204, once', async () => {
    const { id } = await sessions.make();
    const deleted = await sessions.delete(id);
    expect(deleted.status).toBe(204);
    expect(await deleted.text()).toBe('');
    expect(deleted.headers.get('x-request-id')).not.toBeNull();
    for (const response of [await sessions.get(id), await sessions.delete(id)]) {
      expect(response.status).toBe(404);
      expect(((await response.json()) as RestError).error).toEqual({
        message: `Session not found: ${id}`,
        type: 'invalid_request_error',
        param: 'id',
        code: 'not_found',
      });
    }
  });

  test.each(['nonsense', '%7B%7D', 'a/b', '00000000-0000-4000-8000-000000000000', 'x'.repeat(5_000)])(
    'are not found by %s',
    async (id) => {
      expect((await sessions.get(id)).status).toBe(404);
      expect((await sessions.delete(id)).status).toBe(404);
    },
  );

  test('are served without /v1, and by no other method', async () => {
    const { id } = await sessions.make();
    const response = await fetch(`${gateway.url}/sessions/${id}`);
    expect(((await response.json()) as { id: string }).id).toBe(id);
    const put = await fetch(`${gateway.url}/v1/sessions/${id}`, { method: 'PUT' });
    expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, DELETE']);
  });
});

describe('the list of sessions', () => {
  interface List {
    readonly object: string;
    readonly data: { id: string }[];
    readonly has_more: boolean;
    readonly next: string | null;
  }
  let own: RunningGateway;
  const ids: string[] = [];
  beforeAll(async () => {
    own = await startGateway();
    for (let i = 0; i < 5; i++) ids.unshift((await sessionsAt(own.url).make({ context: { i } })).id);
  });
  afterAll(() => own.stop());
  const list = async (query: string): Promise<List> =>
    (await (await sessionsAt(own.url).list(query)).json()) as List;

  test('has the newest first, a page at a time, without messages', async () => {
    const first = await list('?limit=2');
    expect(first).toMatchObject({ object: 'list', has_more: true, next: expect.any(String) });
    expect(Object.keys(first.data[0]!)).toEqual(['id', 'context', 'created_at', 'expires_at']);
    const second = await list(`?limit=2&after=${first.next}`);
    const third = await list(`?limit=2&after=${second.next}`);
    expect([...first.data, ...second.data, ...third.data].map(({ id }) => id)).toEqual(ids);
    expect(third).toMatchObject({ has_more: false, next: null });
    expect((await list('')).data.length).toBe(5);
  });

  test.each([
    ['limit', '?limit=0'],
    ['limit', '?limit=1001'],
    ['limit', '?limit=x'],
    ['limit', '?limit=-1'],
    ['after', '?after=nonsense'],
    ['after', `?after=${Buffer.from("x' OR 1=1").toString('base64url')}`],
    ['before', '?before=x'],
  ])('refuses %s in %s', async (param, query) => {
    const response = await sessionsAt(own.url).list(query);
    expect(response.status).toBe(400);
    expect(((await response.json()) as RestError).error.param).toBe(param);
  });

  test('is the same on RPC', async () => {
    const client = createClient(SessionService, rpcTransports.gRPC(own.url));
    const found: string[] = [];
    let pageToken = '';
    do {
      const page = await client.listSessions({ pageSize: 3, pageToken });
      found.push(...page.sessions.map(({ id }) => id));
      expect(page.sessions.every(({ messages }) => messages.length === 0)).toBe(true);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(found).toEqual(ids);
  });
});

describe.each(Object.keys(rpcTransports) as RpcFace[])('SessionService over %s', (face) => {
  const client = () => createClient(SessionService, rpcTransports[face](gateway.url));
  const failure = async (promise: Promise<unknown>): Promise<[string, string, string]> => {
    const error = await promise.then(
      () => Promise.reject(new Error('it succeeded')),
      (cause: unknown) => ConnectError.from(cause),
    );
    const [detail] = error.findDetails(ErrorDetailSchema);
    return [String(Code[error.code]), String(ErrorReason[detail?.reason ?? 0]), detail?.field ?? ''];
  };

  test('makes, reads and deletes', async () => {
    const contextJson = '{ "taxonomy": "x", "n": 12345678901234567890 }';
    const { session } = await client().createSession({ ttlSeconds: 3600, contextJson });
    expect(session?.id).toMatch(uuid);
    // The very text.
    expect(session?.contextJson).toBe(contextJson);
    expect(Number(session!.expiresAt!.seconds - session!.createdAt!.seconds)).toBe(3600);
    const read = await client().getSession({ id: session!.id });
    expect(read.session).toEqual(session);
    const rest = await sessions.read(session!.id);
    expect(Date.parse(rest.created_at)).toBe(
      Number(session!.createdAt!.seconds) * 1000 + Math.floor(session!.createdAt!.nanos / 1e6),
    );
    await client().deleteSession({ id: session!.id });
    expect(await failure(client().getSession({ id: session!.id }))).toEqual(['NotFound', 'NOT_FOUND', 'id']);
    expect(await failure(client().deleteSession({ id: session!.id }))).toEqual([
      'NotFound',
      'NOT_FOUND',
      'id',
    ]);
  });

  test('names the field that is wrong', async () => {
    const invalid = (field: string) => ['InvalidArgument', 'INVALID_REQUEST', field];
    expect(await failure(client().createSession({ ttlSeconds: 59 }))).toEqual(invalid('ttl_seconds'));
    expect(await failure(client().createSession({ ttlSeconds: 2 ** 31 }))).toEqual(invalid('ttl_seconds'));
    expect(await failure(client().createSession({ contextJson: '[]' }))).toEqual(invalid('context_json'));
    expect(await failure(client().createSession({ contextJson: '{' }))).toEqual(invalid('context_json'));
    expect(await failure(client().createSession({ contextJson: '{"taxonomy":[]}' }))).toEqual(
      invalid('context_json.taxonomy'),
    );
    expect(await failure(client().getSession({ id: '' }))).toEqual(invalid('id'));
    expect(await failure(client().listSessions({ pageSize: 1001 }))).toEqual(invalid('page_size'));
    expect(await failure(client().listSessions({ pageToken: 'x' }))).toEqual(invalid('page_token'));
  });
});
