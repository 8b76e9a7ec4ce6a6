import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Collector, startCollector } from '../support/collector.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { type ScriptedModel, startModel } from '../support/scripted-model.ts';

/** Each stands in one place; none may come out anywhere. */
const planted = {
  providerKey: 'sk-proj-PLANTED0providerkey0123456789',
  odd: 'PLANTED1-a-key-of-no-known-form-42',
  query: 'sk-PLANTED2query0123456789',
  authorization: 'PLANTED3.bearer.0123456789',
  apiKey: 'sk-ant-PLANTED4header0123456789',
  googleKey: 'AIzaPLANTED5goog0123456789',
  cookie: 'session=PLANTED6cookie0123456789',
  authToken: 'PLANTED7xauthtoken0123456789',
  errorText: 'sk-PLANTED8error0123456789',
  errorCode: 'sk-PLANTED9code0123456789',
  model: 'sk-PLANTED10model0123456789',
  agent: 'Bearer PLANTED11agent0123456789',
  prompt: 'my password is PLANTED12prompt',
};

let model: ScriptedModel;
let collector: Collector;
let gateway: RunningGateway;
beforeAll(async () => {
  model = await startModel();
  collector = await startCollector();
  gateway = await startGateway({
    LLM_GATEWAY_OTLP_ENDPOINT: collector.url,
    LLM_GATEWAY_OTLP_HEADERS: `authorization=Bearer ${planted.odd}`,
    OPENAI_API_KEY: planted.providerKey,
    LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1`,
  });
});
afterAll(() => {
  model.close();
  collector.close();
});

test('no secret comes out in logs, spans, metrics or errors', async () => {
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${planted.authorization}`,
    'x-api-key': planted.apiKey,
    'x-goog-api-key': planted.googleKey,
    'api-key': planted.apiKey,
    'x-auth-token': planted.authToken,
    cookie: planted.cookie,
    'user-agent': planted.agent,
  };
  const replies: string[] = [];
  const ask = async (path: string, body: object): Promise<void> => {
    const response = await fetch(`${gateway.url}${path}?key=${planted.query}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    replies.push(`${JSON.stringify([...response.headers])}${await response.text()}`);
  };
  const failing = (status: number, stream = false): void => {
    const { providerKey: key, errorText, errorCode } = planted;
    const error = { message: `Incorrect key ${key}; ${errorText}`, type: 'x', code: errorCode };
    model.script.push(({ socket }) => {
      const body = JSON.stringify({ error });
      socket.write(
        stream
          ? `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: ${body}\n\n`
          : `HTTP/1.1 ${status} No\r\ncontent-length: ${body.length}\r\ncontent-type: application/json\r\n\r\n${body}`,
      );
      if (stream) socket.end();
    });
  };
  const messages = [{ role: 'user', content: planted.prompt }];
  for (const status of [400, 401, 403, 429, 500]) {
    failing(status);
    await ask('/v1/chat/completions', { model: 'openai/gpt-4o', messages });
  }
  failing(200, true);
  await ask('/v1/chat/completions', { model: 'openai/gpt-4o', messages, stream: true });
  await ask('/v1/chat/completions', { model: `nowhere/${planted.model}`, messages });
  await ask('/v1/chat/completions', { model: `openai/${planted.model}`, messages });
  await ask('/v1/messages', { model: 'openai/gpt-4o', max_tokens: 5, messages });
  await ask('/v1/embeddings', { model: `fake/${planted.model}`, input: planted.prompt });
  await ask(`/v1/${planted.model}`, {});
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  await gateway.stop();

  expect(collector.headers['authorization']).toBe(`Bearer ${planted.odd}`);
  expect(collector.spans.length).toBeGreaterThan(15);
  const log = JSON.stringify(gateway.log);
  const spans = JSON.stringify(collector.spans, (_key, value) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  for (const [place, text] of Object.entries({ log, spans, metrics })) {
    expect(text.match(/.{0,60}PLANTED\d+.{0,10}/g) ?? [], place).toEqual([]);
  }
  // What a client sends it may be told again: the name of a model, a path. What the gateway and its providers hold it may not.
  for (const reply of replies) expect(reply).not.toMatch(/PLANTED[01]\D|PLANTED[2-9]\D/);
});
