import type { ServerResponse } from 'node:http';
import { createClient } from '@connectrpc/connect';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { IntegrationService } from '../../gen/llmgateway/v1/integration_service_pb.js';
import { QueryService } from '../../gen/llmgateway/v1/query_service_pb.js';
import { anonymous } from '../../src/auth/principal.ts';
import { type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import type { Answer } from '../support/json-server.ts';
import { bodyOf, type Platform, startPlatform } from '../support/platform.ts';
import { answer } from '../support/platform-service.ts';
import { type Conduct, conducts, type QueryBackends, startQueryBackends } from '../support/query-backends.ts';
import { until } from '../support/redis.ts';

// Only Ollama and Bedrock may have sensitive text here, as in the documentation of the gateway before this one.

let backends: QueryBackends;
let platform: Platform;
let gateway: RunningGateway;
/** Whose calls are made. */
let tenant = '';
const running: RunningGateway[] = [];

const statusOf = async ({ url }: RunningGateway, name: string): Promise<string | undefined> => {
  const { providers } = (await bodyOf(await fetch(`${url}/providers`))) as {
    providers: { name: string; status: string }[];
  };
  return providers.find((provider) => provider.name === name)?.status;
};

/** A gateway that has asked both whether they are there. */
async function start(env: Record<string, string> = {}): Promise<RunningGateway> {
  const made = await startGateway(
    { ...backends.env, ...platform.env, LLM_GATEWAY_CACHE: 'true', LLM_GATEWAY_RATE_LIMITS: 'off', ...env },
    { authenticate: () => ({ ...anonymous, tenant }) },
  );
  running.push(made);
  for (const name of ['ollama', 'bedrock']) {
    await until(async () =>
      made.log.some(({ module, provider }) => module === 'discovery' && provider === name),
    );
  }
  return made;
}

beforeAll(async () => {
  [backends, platform] = await Promise.all([startQueryBackends(), startPlatform()]);
  gateway = await start({
    LLM_GATEWAY_SECURITY_TENANTS: 'free=off,watched=report,strict=block',
    LLM_GATEWAY_HEDGE_DELAY_SECONDS: '20ms',
    LLM_GATEWAY_HEDGE_BUDGET_PERCENT: '100',
    LLM_GATEWAY_RETRY_MAX_ATTEMPTS: '2',
    SENSITIVE_KEYWORDS: 'project falcon',
  });
});
afterEach(() => {
  tenant = '';
  backends.reset();
  platform.reset();
});
afterAll(async () => {
  for (const one of running) await one.stop();
  backends?.close();
  platform?.close();
});

const post = (
  route: string,
  body: unknown,
  headers: Record<string, string> = {},
  { url } = gateway,
): Promise<Response> =>
  fetch(`${url}/${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

const example = { prompt: 'Analyze this internal API key: sk-1234567890abcdef', user_id: 'developer123' };
const secret = 'sk-1234567890abcdef';
const told = /^1\.00;sensitive;mode=route;categories="authentication business_confidential"$/;

describe('the documented example', () => {
  test('goes to Ollama, and the client is told', async () => {
    const response = await post('query', example);
    expect([response.status, response.headers.get('x-sensitivity')]).toEqual([
      200,
      expect.stringMatching(told),
    ]);
    expect(await bodyOf(response)).toEqual({
      response: 'from ollama',
      provider: 'ollama',
      tokens_used: 12,
      processing_time: expect.any(Number),
      cost: 0,
      cached: false,
      correlation_id: expect.stringMatching(/^gw-\d{10}$/),
    });
    expect(backends.others.asked).toEqual([]);
  });

  test('goes to Bedrock when Ollama fails, and nowhere when both do', async () => {
    backends.ollama.conduct = 'fails';
    expect(await bodyOf(await post('query', example))).toMatchObject({ provider: 'bedrock' });
    backends.bedrock.conduct = 'fails';
    const response = await post('query', example);
    expect([response.status, response.headers.get('x-sensitivity')]).toEqual([
      502,
      expect.stringMatching(told),
    ]);
    expect(backends.others.asked).toEqual([]);
  });

  test.each([
    ['query', 'gRPC'],
    ['chat', 'gRPC-Web over HTTP/1.1'],
  ] as const)('is refused where both are known to be away: /%s, %s', async (route, face) => {
    const away = { OLLAMA_ENDPOINT: 'http://127.0.0.1:9', BEDROCK_ENDPOINT: 'http://127.0.0.1:9/invoke' };
    for (const env of [{}, { ALL_PROVIDERS: 'ollama,bedrock' }]) {
      const lonely = await start({ ...away, LLM_GATEWAY_OLLAMA_BASE_URL: 'http://127.0.0.1:9', ...env });
      expect(await statusOf(lonely, 'bedrock')).toBe('unavailable');
      const response = await post(route, example, {}, lonely);
      expect([response.status, response.headers.get('x-sensitivity')]).toEqual([
        503,
        expect.stringMatching(told),
      ]);
      expect(await bodyOf(response)).toMatchObject({
        success: false,
        error_code: 'service_unavailable',
        details: { reason: 'no_secure_provider' },
      });
      const client = createClient(QueryService, rpcTransports[face](lonely.url));
      const asked = { prompt: example.prompt, provider: 'openai' };
      const failed = await client[route]({ query: asked }).catch((error: unknown) => error);
      expect(failed).toMatchObject({ code: 14 });
      expect((failed as { metadata: Headers }).metadata.get('x-sensitivity')).toMatch(told);
    }
    expect(backends.others.asked).toEqual([]);
  });
});

describe('sensitive text', () => {
  test.each([{ provider: 'openai' }, { model: 'gpt-4o' }, { provider: 'grok', model: 'grok-4' }])(
    'goes to a secure provider in place of %j',
    async (asked) => {
      const response = await post('query', { ...example, ...asked });
      expect(await bodyOf(response)).toMatchObject({ provider: 'ollama', response: 'from ollama' });
      expect(backends.others.asked).toEqual([]);
    },
  );

  test('goes to the secure provider that was named', async () => {
    expect(await bodyOf(await post('query', { ...example, provider: 'bedrock' }))).toMatchObject({
      provider: 'bedrock',
    });
    expect(backends.ollama.asked).toEqual([]);
  });

  test('is told of on every route, on REST and RPC', async () => {
    for (const route of ['query', 'chat', 'stream', 'enhanced-query', 'contextual-query', 'workflow-query']) {
      const response = await post(route, example);
      const text = await response.text();
      expect([route, response.status, response.headers.get('x-sensitivity')]).toEqual([
        route,
        200,
        expect.stringMatching(/^1\.00;sensitive;mode=route/),
      ]);
      if (route === 'stream') {
        expect(text.match(/"chunk":"[^"]*"/g)?.join('')).toContain('from ');
        expect(text.endsWith('"finished":true}\n\ndata: [DONE]\n\n')).toBe(true);
      }
    }
    const client = createClient(QueryService, rpcTransports.gRPC(gateway.url));
    const query = { prompt: example.prompt };
    const sensitivity = { sensitive: true, mode: 'route', score: 1 };
    const answers = await Promise.all([
      client.query({ query }),
      client.chat({ query }),
      client.enhancedQuery({ query }),
      client.contextualQuery({ query }),
    ]);
    for (const { answer } of answers)
      expect(answer).toMatchObject({ provider: 'ollama', callReport: { sensitivity } });
    expect((await client.workflowQuery({ query })).callReport?.sensitivity).toMatchObject(sensitivity);
    let last: unknown;
    for await (const piece of client.streamQuery({ query })) last = piece;
    expect(last).toMatchObject({ finished: true, answer: { callReport: { sensitivity } } });
    const vector = await client.embedText({ text: example.prompt });
    expect(vector).toMatchObject({ provider: 'ollama', model: 'all-minilm', callReport: { sensitivity } });
    expect(backends.others.asked).toEqual([]);
  });

  test('becomes a vector at a secure provider where none was named; elsewhere it is refused', async () => {
    const plain = await post('embeddings', { text: 'A keyboard' });
    expect(await bodyOf(plain)).toMatchObject({ provider: 'openai', dimensions: 3 });
    backends.reset();
    for (const provider of [undefined, 'auto']) {
      const response = await post('embeddings', { text: example.prompt, provider });
      expect(response.headers.get('x-sensitivity')).toMatch(told);
      expect(await bodyOf(response)).toEqual({
        embeddings: [1, 2],
        model: 'all-minilm',
        provider: 'ollama',
        dimensions: 2,
      });
    }
    for (const asked of [{ provider: 'openai' }, { model: 'text-embedding-ada-002' }]) {
      const refused = await post('embeddings', { text: example.prompt, ...asked });
      expect([refused.status, (await bodyOf(refused))['details']]).toEqual([
        503,
        { reason: 'no_secure_provider', field: 'model' },
      ]);
    }
    expect(backends.others.asked).toEqual([]);
  });

  test('in an earlier turn of a conversation counts in every later one', async () => {
    const talk = { conversation_id: 'c', user_id: 'ann', provider: 'openai' };
    await post('chat', { ...talk, prompt: example.prompt });
    const later = await post('chat', { ...talk, prompt: 'What was it?' });
    expect(await bodyOf(later)).toMatchObject({ provider: 'ollama' });
    expect(JSON.stringify(backends.ollama.asked.at(-1)?.body)).toContain(secret);
    expect(backends.others.asked).toEqual([]);
  });

  test.each([
    ['enhanced-query', 'memory_agent /memory/u/context', { summary: `It is ${secret}` }],
    ['enhanced-query', 'prompt_store /prompts/optimized', { content: `With ${secret}:` }],
    ['enhanced-query', 'interpreter /interpret', { intent: 'x', entities: [secret] }],
    ['enhanced-query', 'doc_store /documents/search', { documents: [{ content: secret }] }],
    ['contextual-query', 'memory_agent /memory/u/context', { summary: `It is ${secret}` }],
    ['contextual-query', 'prompt_store /prompts/optimized', { content: `With ${secret}:` }],
    ['contextual-query', 'doc_store /documents/search', { documents: [{ content: secret }] }],
  ])('that a service brings into /%s counts as well: %s', async (route, where, answer) => {
    const asked = {
      prompt: 'What is it?',
      user_id: 'u',
      provider: 'openai',
      context: { search_terms: 'it' },
    };
    platform.answers.set(where, answer);
    const response = await post(route, asked);
    expect(await bodyOf(response)).toMatchObject({ provider: 'ollama' });
    expect(response.headers.get('x-sensitivity')).toMatch(/^0\.80;sensitive;mode=route/);
    expect(JSON.stringify(backends.ollama.asked.at(-1)?.body)).toContain(secret);
    expect(backends.others.asked).toEqual([]);
    // Nothing of it is kept there either.
    const writes = ['memory_agent', 'doc_store'].flatMap((name) =>
      platform.of(name).asked.filter(({ method, path }) => method === 'POST' && !path.endsWith('/search')),
    );
    expect(writes).toEqual([]);
  });

  test('is what it takes: the same queries without it go where they were sent', async () => {
    for (const route of ['enhanced-query', 'contextual-query']) {
      const asked = {
        prompt: 'What was it?',
        user_id: 'u',
        provider: 'openai',
        context: { search_terms: 'it' },
      };
      const noted = platform.of('memory_agent').asked;
      expect(await bodyOf(await post(route, asked))).toMatchObject({ provider: 'openai' });
      // Remembered as it was asked, whatever was added.
      await until(async () => noted.some(({ path }) => path === '/memory'));
      const { body } = noted.find(({ path }) => path === '/memory') ?? {};
      expect(body).toMatchObject({ content: { prompt: 'What was it?' } });
      noted.length = 0;
    }
  });

  test('is what the analyzer says it is', async () => {
    platform.answers.set('secure_analyzer /detect', { sensitive: true });
    for (const own of ['', 'free', 'watched']) {
      tenant = own;
      const response = await post('enhanced-query', { prompt: 'A harmless word', provider: 'openai' });
      expect(response.headers.get('x-sensitivity')).toMatch(/^0\.00;sensitive;mode=route$/);
      expect(await bodyOf(response)).toMatchObject({ provider: 'ollama' });
    }
    expect(backends.others.asked).toEqual([]);
  });

  test('stays with secure providers for the whole conversation when the analyzer has said so once', async () => {
    for (const [i, own] of ['', 'free', 'watched'].entries()) {
      tenant = own;
      for (const stream of [false, true]) {
        const talk = { conversation_id: `analyzed ${i} ${stream}`, user_id: 'ann', provider: 'openai' };
        platform.answers.set('secure_analyzer /detect', { sensitive: 'maybe' });
        await post('enhanced-query', { ...talk, prompt: 'The blue folder is under the desk' });
        platform.reset();
        // Also when others come in between, and by each route.
        const routes = stream ? ['stream', 'chat'] : ['query', 'contextual-query'];
        for (const route of routes) {
          const later = await post(route, { ...talk, prompt: 'Where is it?' });
          expect(later.headers.get('x-sensitivity')).toMatch(/^0\.00;sensitive;mode=route$/);
          expect(await later.text()).toContain('ollama');
          expect(JSON.stringify(backends.ollama.asked.at(-1)?.body)).toContain('blue folder');
        }
        // Nothing of it is remembered elsewhere.
        expect(platform.of('memory_agent').asked.filter(({ method }) => method === 'POST')).toEqual([]);
      }
      expect(backends.others.asked).toEqual([]);
    }
    tenant = '';
    const other = { conversation_id: 'another', user_id: 'ann', provider: 'openai', prompt: 'Hi' };
    expect(await bodyOf(await post('chat', other))).toMatchObject({ provider: 'openai' });
  });

  test.each<[unknown, string]>([
    [true, 'ollama'],
    ['yes', 'ollama'],
    ['TRUE', 'ollama'],
    [1, 'ollama'],
    [{ level: 'high' }, 'ollama'],
    [false, 'openai'],
    ['False', 'openai'],
    ['no', 'openai'],
    ['', 'openai'],
    [0, 'openai'],
    [null, 'openai'],
  ])('is what the analyzer does not deny: %j', async (sensitive, provider) => {
    platform.answers.set('secure_analyzer /detect', { sensitive });
    const response = await post('enhanced-query', { prompt: 'A harmless word', provider: 'openai' });
    expect(await bodyOf(response)).toMatchObject({ provider });
  });

  test('is neither kept in the cache nor told to the platform, nor in any log', async () => {
    for (let i = 0; i < 2; i++) {
      const response = await post('query', example, { 'x-store-interaction': 'true' });
      expect(await bodyOf(response)).toMatchObject({ cached: false });
    }
    expect(backends.ollama.asked).toHaveLength(2);
    const clean = { prompt: 'Of keyboards and secretaries', provider: 'openai' };
    await post('query', clean);
    expect(await bodyOf(await post('query', clean))).toMatchObject({ cached: true });
    backends.ollama.conduct = 'fails';
    backends.bedrock.conduct = 'fails';
    await post('query', example);
    await (await post('stream', example)).text();
    // A service that is not pleased quotes what it got.
    platform.of('orchestrator').instead = ({ body }, response) => answer(response, 422, { detail: body });
    const refused = await post('workflow-query', example);
    expect([refused.status, await refused.text()]).toEqual([502, expect.stringContaining(secret)]);
    expect(gateway.log.some(({ upstream_status: status }) => status === 422)).toBe(true);
    expect(JSON.stringify(gateway.log)).not.toContain(secret);
    const remembered = platform.of('memory_agent').asked;
    expect(JSON.stringify(remembered)).not.toContain(secret);
    expect(platform.of('doc_store').asked).toEqual([]);
  });
});

describe('a proxy of Bedrock', () => {
  const plain = (response: ServerResponse, status: number, text: string): undefined =>
    void response.writeHead(status).end(text);
  test.each<[string, Answer, string]>([
    ['says that it is healthy', () => ({ status: 'healthy' }), 'available'],
    ['says something else', (_got, response) => plain(response, 200, 'fine'), 'available'],
    ['has no such path', (_got, response) => plain(response, 404, 'no'), 'available'],
    ['says that it is unwell', () => ({ status: 'degraded' }), 'unavailable'],
    ['fails', (_got, response) => plain(response, 500, 'no'), 'unavailable'],
    ['breaks off', (_got, response) => void response.destroy(), 'unavailable'],
  ])('that %s', async (_what, answerHealth, expected) => {
    const { routes } = backends.bedrock.server;
    const usual = routes['/health'] as Answer;
    routes['/health'] = answerHealth;
    try {
      const asking = await start({ ALL_PROVIDERS: 'bedrock' });
      expect(await statusOf(asking, 'bedrock')).toBe(expected);
      expect((await post('query', { prompt: 'Hi' }, {}, asking)).status).toBe(
        expected === 'available' ? 200 : 503,
      );
    } finally {
      routes['/health'] = usual;
    }
  });
});

describe('words that call for caution', () => {
  test('lead an automatic choice to secure providers first, however dear, and not only to them', async () => {
    const dear = await start({
      ALL_PROVIDERS: 'openai,bedrock',
      LLM_GATEWAY_CACHE: 'false',
    });
    const ask = async (prompt: string, more: object = {}) =>
      (await bodyOf(await post('query', { prompt, ...more }, {}, dear)))['provider'];
    expect(await ask('What is a tokenizer?')).toBe('openai');
    expect(await ask('What is a token?')).toBe('bedrock');
    expect(await ask('What is a token?', { provider: 'openai' })).toBe('openai');
    backends.bedrock.conduct = 'fails';
    expect(await ask('What is a token?')).toBe('openai');
    backends.reset();
    backends.bedrock.conduct = 'fails';
    expect(await ask(example.prompt)).toBeUndefined();
    expect(backends.others.asked).toEqual([]);
  });
});

describe('modes', () => {
  test('off and report: it goes where it would have gone', async () => {
    for (const [own, header] of [
      ['free', null],
      ['watched', '1.00;sensitive;mode=report;categories="authentication business_confidential"'],
    ] as const) {
      tenant = own;
      const response = await post('query', { ...example, provider: 'openai' });
      expect(response.headers.get('x-sensitivity')).toBe(header);
      expect(await bodyOf(response)).toMatchObject({ provider: 'openai' });
    }
  });

  test.each([
    'query',
    'chat',
    'stream',
    'embeddings',
    'enhanced-query',
    'contextual-query',
    'workflow-query',
    'integrations/doc_store/search',
    'integrations/summarizer_hub/summarize',
  ])('block: /%s refuses it, and no service gets it', async (route) => {
    tenant = 'strict';
    const text = /embeddings|summarizer/.test(route)
      ? { text: example.prompt }
      : route.startsWith('integrations')
        ? { query: secret }
        : example;
    const response = await post(route, text);
    expect([response.status, await bodyOf(response)]).toMatchObject([
      400,
      { error_code: 'validation_error', details: { reason: 'sensitive_text' } },
    ]);
    expect(response.headers.get('x-sensitivity')).toMatch(/mode=block/);
    for (const { asked } of platform.services.values()) expect(asked).toEqual([]);
    for (const { asked } of [backends.ollama, backends.bedrock, backends.others]) expect(asked).toEqual([]);
  });

  test('block: an integration refuses it by RPC as well', async () => {
    tenant = 'strict';
    const client = createClient(IntegrationService, rpcTransports.gRPC(gateway.url));
    const argumentsJson = JSON.stringify({ code: secret });
    const failed = await client
      .callIntegration({ service: 'code_analyzer', operation: 'extract_endpoints', argumentsJson })
      .catch((error: unknown) => error);
    expect((failed as { metadata: Headers }).metadata.get('x-sensitivity')).toMatch(/sensitive;mode=block/);
    for (const { asked } of platform.services.values()) expect(asked).toEqual([]);
  });

  test('route and report: an integration gets it, and the client is told', async () => {
    for (const [own, mode] of [
      ['', 'route'],
      ['watched', 'report'],
    ] as const) {
      tenant = own;
      const response = await post('integrations/doc_store/search', { query: secret });
      expect([response.status, response.headers.get('x-sensitivity')]).toEqual([
        200,
        expect.stringMatching(new RegExp(`^0\\.80;sensitive;mode=${mode};`)),
      ]);
      const client = createClient(IntegrationService, rpcTransports.gRPC(gateway.url));
      let header: Headers | undefined;
      await client.callIntegration(
        { service: 'doc_store', operation: 'search', argumentsJson: JSON.stringify({ query: secret }) },
        { onHeader: (headers) => void (header = headers) },
      );
      expect(header?.get('x-sensitivity')).toMatch(new RegExp(`;sensitive;mode=${mode}`));
    }
    tenant = 'free';
    const plain = await post('integrations/doc_store/search', { query: secret });
    expect(plain.headers.get('x-sensitivity')).toBeNull();
  });

  test.each<[unknown, unknown, string?]>([
    [
      ['openai', 'Bedrock', 'nobody', 'ollama'],
      ['Bedrock', 'ollama'],
    ],
    [['ollama'], ['ollama']],
    [undefined, ['ollama']],
    [['openai', 'grok'], null],
    ['openai', null],
    [[], null],
    [['openai', 'ollama'], ['ollama'], 'summarizer-hub'],
  ])(
    'route: summarizer_hub may ask secure providers only: of %j %j',
    async (providers, kept, name = 'summarizer_hub') => {
      const text = `Summarize ${secret}`;
      const response = await post(`integrations/${name}/summarize`, { text, providers });
      expect(response.headers.get('x-sensitivity')).toMatch(/;sensitive;mode=route/);
      const { asked } = platform.of('summarizer_hub');
      if (kept === null) {
        expect([response.status, (await bodyOf(response))['details']]).toEqual([
          503,
          { reason: 'no_secure_provider', field: 'providers' },
        ]);
        expect(asked).toEqual([]);
      } else {
        expect(response.status).toBe(200);
        expect(asked.at(-1)?.body).toMatchObject({ text, providers: kept });
      }
      const plain = { text: 'Of keyboards', providers: ['openai'] };
      expect((await post('integrations/summarizer_hub/summarize', plain)).status).toBe(200);
      expect(asked.at(-1)?.body).toMatchObject(plain);
    },
  );

  test('off for all is off for queries, too', async () => {
    const open = await start({ SECURITY_MODE: 'off' });
    const response = await post('query', { ...example, provider: 'openai' }, {}, open);
    expect([response.headers.get('x-sensitivity'), await bodyOf(response)]).toMatchObject([
      null,
      { provider: 'openai' },
    ]);
  });
});

const planted = fc.constantFrom<(mark: string) => string>(
  (mark) => `sk-1234567890abcdef ${mark}`,
  (mark) => `sk-ant-api03-Zq8vT2xLw9Rk4Nb7${mark}`,
  (mark) => `ghp_16C7e42F292c6912E7710c838347Ae17${mark}`,
  (mark) => `-----BEGIN RSA PRIVATE KEY-----${mark}`,
  (mark) => `card 4012888888881881 ${mark}`,
  (mark) => `IBAN GB82 WEST 1234 5698 7654 32 ${mark}`,
  (mark) => `536-22-8726 ${mark}`,
  (mark) => `confidential: password, token, credential ${mark}`,
);
const words = fc.array(
  fc.constantFrom('the', 'keyboard', 'and', 'secretary', 'naïve', '文字', '\n', '{"a":1}', '.'),
);

test('no sensitive text ever reaches a provider that may not have it', async () => {
  let number = 0;
  const seen = { clean: 0, secure: 0, failed: 0, hedged: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        route: fc.constantFrom('query', 'chat', 'stream', 'embeddings', 'enhanced-query', 'contextual-query'),
        face: fc.constantFrom('REST', 'gRPC'),
        provider: fc.constantFrom('', 'auto', 'openai', 'grok', 'anthropic', 'ollama', 'bedrock'),
        model: fc.constantFrom('', '', 'gpt-4o'),
        ollama: fc.constantFrom(...conducts),
        bedrock: fc.constantFrom(...conducts),
        others: fc.constantFrom<Conduct>('well', 'fails'),
        where: fc.constantFrom('prompt', 'context', 'object', 'history', 'documents', 'turn'),
        repeated: fc.boolean(),
        before: words,
        after: words,
        plant: fc.option(planted, { freq: 4 }),
      }),
      async ({ route, face, provider, model, where, repeated, plant, before, after, ...conduct }) => {
        backends.reset();
        platform.reset();
        const mark = `m${String(++number).padStart(6, '0')}x9`;
        const held = plant === null ? `A keyboard ${mark}` : plant(mark);
        const text = `${before.join(' ')} ${held} ${after.join(' ')}`;
        const user = `u${number}`;
        platform.answers.set(`memory_agent /memory/${user}/context`, {
          summary: where === 'history' ? text : 'none',
        });
        const documents = where === 'documents' ? [{ title: 'T', content: text }] : [];
        platform.answers.set('doc_store /documents/search', { documents });
        const isComposed = route.endsWith('-query');
        // Where a route takes nothing of that kind, it is in the prompt.
        const inPrompt =
          where === 'prompt' ||
          route === 'embeddings' ||
          (!isComposed && (where === 'history' || where === 'documents')) ||
          (where === 'turn' && isComposed);
        const context =
          where === 'context' ? text : where === 'object' ? { it: [text] } : { search_terms: 'it' };
        const said = inPrompt ? text : 'And now?';
        const who = { user_id: user, ...(where === 'turn' ? { conversation_id: user } : {}) };
        const asked = { prompt: said, context, provider, model, ...who };
        const vector = { text, provider, model: model === '' ? '' : 'text-embedding-ada-002', user_id: user };
        const signal = { 'x-request-timeout-ms': '400' };
        if (where === 'turn' && !inPrompt) {
          // Said where all is well, and then elsewhere asked about.
          await (await post('chat', { ...who, prompt: text, provider: 'ollama' }, signal)).text();
        }
        backends.ollama.conduct = conduct.ollama;
        backends.bedrock.conduct = conduct.bedrock;
        backends.others.conduct = conduct.others;
        const overRest = async (): Promise<boolean> => {
          const response = await post(route, route === 'embeddings' ? vector : asked, signal);
          await response.text();
          return response.status === 200;
        };
        const overRpc = async (): Promise<boolean> => {
          const client = createClient(QueryService, rpcTransports.gRPC(gateway.url));
          const { prompt, user_id: userId } = asked;
          const query = {
            prompt,
            ...(typeof context === 'string' ? { context } : { contextJson: JSON.stringify(context) }),
            provider,
            model,
            userId,
            conversationId: where === 'turn' ? user : '',
          };
          const options = { timeoutMs: 400 };
          try {
            if (route === 'query') await client.query({ query }, options);
            else if (route === 'chat') await client.chat({ query }, options);
            else if (route === 'enhanced-query') await client.enhancedQuery({ query }, options);
            else if (route === 'contextual-query') await client.contextualQuery({ query }, options);
            else if (route === 'embeddings') await client.embedText({ ...vector, userId }, options);
            else for await (const _ of client.streamQuery({ query }, options));
            return true;
          } catch {
            return false;
          }
        };
        const ask = face === 'REST' ? overRest : overRpc;
        const outcomes = await Promise.all(repeated ? [ask(), ask()] : [ask()]);
        if (repeated) outcomes.push(await ask());
        if (plant === null) {
          seen.clean += backends.others.asked.length;
          return;
        }
        if (outcomes.includes(false)) seen.failed++;
        seen.secure += backends.ollama.asked.length + backends.bedrock.asked.length;
        if (backends.ollama.asked.length > 0 && backends.bedrock.asked.length > 0) seen.hedged++;
        expect(backends.others.asked).toEqual([]);
      },
    ),
    { numRuns: 250 },
  );
  expect(JSON.stringify(gateway.log)).not.toMatch(/m\d{6}x9/);
  // The cases are of all kinds.
  expect(seen.clean).toBeGreaterThan(20);
  expect(seen.secure).toBeGreaterThan(100);
  expect(seen.failed).toBeGreaterThan(20);
  expect(seen.hedged).toBeGreaterThan(10);
}, 180_000);
