import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { hasRedis, type RedisServer, startRedis, until } from '../support/redis.ts';
import type { Json } from '../support/response-machine.ts';
import { ask, responseAt, untilStatus } from '../support/response-streams.ts';
import { message, type ResponsesUpstream, startResponsesUpstream } from '../support/responses-upstream.ts';

// Items whose ids come again: whatever a client or a model said is kept.

let upstream: ResponsesUpstream;
beforeAll(async () => {
  upstream = await startResponsesUpstream();
});
afterAll(() => upstream.close());
beforeEach(() => {
  upstream.output = [message('native')];
  upstream.messages = [];
});

const said = (text: string, id?: string): Json => ({
  ...(id === undefined ? {} : { id }),
  type: 'message',
  role: 'user',
  content: text,
});
const textsOf = (items: unknown): unknown[] =>
  (items as { content: string | Json[] }[]).map(({ content }) =>
    typeof content === 'string' ? content : content[0]!['text'],
  );
const idsOf = (items: unknown): unknown[] => (items as Json[]).map(({ id }) => id);

describe.each(['embedded', ...(hasRedis ? ['redis'] : [])])('on the %s store', (kind) => {
  let redis: RedisServer | undefined;
  let gateway: RunningGateway;
  beforeAll(async () => {
    if (kind === 'redis') redis = await startRedis();
    gateway = await startGateway({
      ...upstream.env,
      LLM_GATEWAY_RESPONSE_MAX_BACKGROUND: '1',
      ...(redis === undefined ? {} : { LLM_GATEWAY_REDIS_URL: redis.url }),
    });
    if (redis !== undefined) {
      await until(() => gateway.log.some(({ message: line }) => line === 'redis answers'));
    }
  });
  afterAll(async () => {
    await gateway.stop();
    await redis?.stop();
  });

  const post = async (path: string, body: Json): Promise<Json> => {
    const { status, json } = await ask('POST', `${gateway.url}/v1/${path}`, body);
    expect([status, json.error ?? null]).toEqual([200, null]);
    return json;
  };
  const respond = (body: Json): Promise<Json> => post('responses', { model: 'openai/gpt-5.2', ...body });
  const conversation = async (...items: Json[]): Promise<string> =>
    String((await post('conversations', { items }))['id']);
  const itemsOf = async (id: string): Promise<Json[]> => {
    const url = `${gateway.url}/v1/conversations/${id}/items?order=asc&limit=100`;
    return (await ask('GET', url)).json['data'] as Json[];
  };

  test('an item of a conversation whose id another has gets a new one, and the answer tells it', async () => {
    const id = await conversation(said('one', 'm1'), said('two', 'm1'));
    const { data } = await post(`conversations/${id}/items`, {
      items: [said('three', 'm1'), said('four', 'm2'), said('five', 'm2')],
    });
    const items = await itemsOf(id);
    expect(textsOf(items)).toEqual(['one', 'two', 'three', 'four', 'five']);
    expect(items.slice(2)).toEqual(data);
    expect(idsOf(items)[0]).toBe('m1');
    expect(new Set(idsOf(items)).size).toBe(5);
  });

  test('an item that is there just so is not added again', async () => {
    const id = await conversation(said('one', 'm1'));
    const again = [said('one', 'm1'), said('two', 'm2')];
    const first = await post(`conversations/${id}/items`, { items: again });
    expect(idsOf(first['data'])).toEqual(['m1', 'm2']);
    expect(await post(`conversations/${id}/items`, { items: again })).toEqual(first);
    expect(textsOf(await itemsOf(id))).toEqual(['one', 'two']);
  });

  test('an opaque item gets its new id, too', async () => {
    const call = { id: 'ws_1', type: 'web_search_call', status: 'completed' };
    const id = await conversation({ ...call, action: { type: 'search', query: 'a' } });
    const { data } = await post(`conversations/${id}/items`, {
      items: [{ ...call, action: { type: 'search', query: 'b' } }],
    });
    const items = await itemsOf(id);
    expect(items.map(({ action }) => (action as Json)['query'])).toEqual(['a', 'b']);
    expect(items[1]).toEqual((data as Json[])[0]);
    expect(items[1]!['id']).not.toBe('ws_1');
  });

  test.each([false, true])(
    'an item of a conversation that a request has changed is kept beside it (stream: %j)',
    async (stream) => {
      const id = await conversation(said('one', 'm1'));
      const [kept] = await itemsOf(id);
      const changed = { ...kept, content: [{ type: 'input_text', text: 'other' }] };
      const body = { conversation: id, input: [kept, changed], stream };
      const response = await fetch(`${gateway.url}/v1/responses`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'openai/gpt-5.2', ...body }),
      });
      expect(await response.text()).toContain('native');
      expect(textsOf(await itemsOf(id))).toEqual(['one', 'other', 'native']);
      expect(textsOf(upstream.asked('/v1/responses')['input'])).toEqual(['one', 'other']);
    },
  );

  test('a provider may give every item the same id', async () => {
    const id = await conversation();
    const all: string[] = [];
    for (const turn of ['1', '2', '3', '3']) {
      upstream.output = [message(`answer ${turn}`)];
      await respond({ conversation: id, input: `question ${turn}` });
      all.push(`question ${turn}`, `answer ${turn}`);
      expect(textsOf(await itemsOf(id))).toEqual(all);
    }
    expect(textsOf(upstream.asked('/v1/responses')['input'])).toEqual(all.slice(0, -1));
    expect(new Set(idsOf(await itemsOf(id))).size).toBe(all.length);
    // Also where there is nothing new in the turn but an answer as there was one.
    await respond({ conversation: id, input: [] });
    expect(textsOf(await itemsOf(id))).toEqual([...all, 'answer 3']);
  });

  test('turns at the same time lose nothing', async () => {
    const id = await conversation();
    await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        i % 2 === 0
          ? respond({ conversation: id, input: [said(`turn ${i}`, 'same')] })
          : post(`conversations/${id}/items`, { items: [said(`turn ${i}`, 'same')] }),
      ),
    );
    const texts = textsOf(await itemsOf(id));
    for (let i = 0; i < 8; i++) expect(texts).toContain(`turn ${i}`);
    expect(texts.filter((text) => text === 'native').length).toBe(4);
  });

  test('a turn that waited its turn adds what is new', async () => {
    const id = await conversation(said('one', 'm1'), said('two', 'm2'));
    const asked = [said('three', 'm1'), said('four', 'm1')];
    const made = await Promise.all(
      asked.map((item) => respond({ conversation: id, input: [item], background: true })),
    );
    for (const { id: response } of made) await untilStatus(gateway.url, String(response), ['completed']);
    const texts = textsOf(await itemsOf(id));
    expect(texts.slice(0, 2)).toEqual(['one', 'two']);
    expect(texts.toSorted()).toEqual(['four', 'native', 'native', 'one', 'three', 'two']);
  });

  test('what is sent again with previous_response_id is not said twice', async () => {
    const first = await respond({ input: 'one' });
    await respond({
      previous_response_id: first['id'],
      input: [...(first['output'] as Json[]), said('two')],
    });
    expect(textsOf(upstream.asked('/v1/responses')['input'])).toEqual(['one', 'native', 'two']);
  });

  test('input items are paged through to their end whatever ids they came with', async () => {
    const first = await respond({ input: [said('one', 'dup'), said('two', 'x'), said('three', 'dup')] });
    const second = await respond({ previous_response_id: first['id'], input: 'four' });
    const third = await respond({
      previous_response_id: second['id'],
      input: [said('five', 'dup'), message('an answer that was changed')],
    });
    const client = new OpenAI({ apiKey: 'k', baseURL: `${gateway.url}/v1` });
    for (const limit of [1, 3]) {
      const items: unknown[] = [];
      const pages = client.responses.inputItems.list(String(third['id']), { order: 'asc', limit });
      for await (const item of pages) {
        items.push(item);
        if (items.length > 20) break;
      }
      const answers = ['native', 'four', 'native', 'five', 'an answer that was changed'];
      expect(textsOf(items)).toEqual(['one', 'two', 'three', ...answers]);
    }
  });

  test('items are found by ids that a path has to escape', async () => {
    const id = await conversation(said('1', 'x y'), said('2', 'a/b'), said('3', 'a:b'), said('4', '100%'));
    for (const [i, item] of ['x y', 'a/b', 'a:b', '100%'].entries()) {
      const url = `${gateway.url}/v1/conversations/${id}/items/${encodeURIComponent(item)}`;
      expect(textsOf([(await ask('GET', url)).json])).toEqual([`${i + 1}`]);
      expect((await ask('DELETE', url)).status).toBe(200);
      expect((await ask('GET', url)).status).toBe(404);
    }
    const { status } = await ask('GET', `${gateway.url}/v1/conversations/${id.replace('_', '%5F')}/items`);
    expect(status).toBe(200);
    const { id: response } = await respond({ input: 'x' });
    expect((await ask('GET', responseAt(gateway.url, String(response).replace('_', '%5f')))).status).toBe(
      200,
    );
  });

  test('metadata are kept although the provider keeps none', async () => {
    const made = await respond({ model: 'xai/grok-4', input: 'x', metadata: { a: 'b' } });
    expect(made['metadata']).toEqual({ a: 'b' });
    const { json } = await ask('GET', responseAt(gateway.url, String(made['id'])));
    expect(json['metadata']).toEqual({ a: 'b' });
  });

  test.each([{}, { input: null }, { input: '' }, { input: [] }, { input: '', instructions: 'Be short.' }])(
    'a request with %j asks for nothing',
    async (body) => {
      const asked = { model: 'openai/gpt-5.2', ...body };
      for (const more of [{}, { stream: true }, { background: true }]) {
        const { status, json } = await ask('POST', `${gateway.url}/v1/responses`, { ...asked, ...more });
        expect({ status, ...json }).toMatchObject({
          status: 400,
          error: { type: 'invalid_request_error', param: 'input' },
        });
      }
      const { id } = await respond({ input: 'x' });
      await respond({ ...body, previous_response_id: id });
      expect(textsOf(upstream.asked('/v1/responses')['input'])).toEqual(['x', 'native']);
      await respond({ ...body, conversation: await conversation(said('y')) });
      await respond({ ...body, prompt: { id: 'pmpt_1' } });
    },
  );
});
