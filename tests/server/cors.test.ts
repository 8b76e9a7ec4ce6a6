import { expect, test } from 'vitest';
import { type CorsOptions, createCors } from '../../src/server/cors.ts';
import { type Answer, call2, connect2, get1, openPort } from './support/harness.ts';

const ORIGIN = 'https://console.example.com';

async function open(options: CorsOptions) {
  const cors = createCors(options);
  const { url } = await openPort({
    handler: (req, res) => {
      if (!cors(req, res)) res.end('served');
    },
  });
  const ask = (method: string, headers: Record<string, string> = {}) => get1(url, { method, headers });
  const preflight = (origin: string, asked = 'content-type') =>
    ask('OPTIONS', {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': asked,
    });
  return { url, ask, preflight };
}

/** The CORS headers of an answer, without their common prefix. */
function cors(answer: Answer): Record<string, string> {
  const entries = Object.entries(answer.headers).filter(([name]) => name.startsWith('access-control-'));
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(15), String(value)]));
}

test('a listed origin is allowed, with credentials', async () => {
  const { ask, preflight } = await open({ origins: ['https://other.example', ORIGIN], maxAgeSeconds: 60 });
  const asked = 'content-type,connect-protocol-version,x-grpc-web,authorization,x-stainless-os';
  const before = await preflight(ORIGIN, asked);
  expect([before.status, before.text]).toEqual([204, '']);
  expect(cors(before)).toEqual({
    'allow-origin': ORIGIN,
    'allow-credentials': 'true',
    'allow-methods': expect.any(String) as string,
    'allow-headers': asked,
    'max-age': '60',
  });
  expect(before.headers.vary).toBe('Origin');
  const methods = cors(before)['allow-methods']?.split(', ');
  expect(methods?.sort()).toEqual(['DELETE', 'GET', 'OPTIONS', 'PATCH', 'POST', 'PUT']);

  const answer = await ask('POST', { origin: ORIGIN });
  expect(answer.text).toBe('served');
  expect(cors(answer)).toMatchObject({ 'allow-origin': ORIGIN, 'allow-credentials': 'true' });
  expect(answer.headers.vary).toBe('Origin');
});

test('pages may read the headers of Connect, gRPC-Web and those asked for', async () => {
  const { ask } = await open({ origins: [ORIGIN], exposedHeaders: ['x-request-id', 'retry-after'] });
  const exposed = cors(await ask('GET', { origin: ORIGIN }))
    ['expose-headers']?.toLowerCase()
    .split(', ');
  expect(exposed).toEqual(
    expect.arrayContaining([
      'grpc-status',
      'grpc-message',
      'grpc-status-details-bin',
      'content-encoding',
      'connect-content-encoding',
      'x-request-id',
      'retry-after',
    ]),
  );
});

test.each([
  'https://evil.example',
  'null',
  `${ORIGIN}.evil.example`,
  'http://console.example.com',
  `${ORIGIN}:8443`,
])('origin %s is not listed and gets nothing', async (origin) => {
  const { ask, preflight } = await open({ origins: [ORIGIN] });
  const before = await preflight(origin);
  expect(before.status).toBe(204);
  expect(cors(before)).toEqual({});
  const answer = await ask('GET', { origin });
  expect([answer.text, cors(answer), answer.headers.vary]).toEqual(['served', {}, 'Origin']);
});

test('listed origins may be written with a slash or in capitals', async () => {
  const { preflight } = await open({ origins: [' https://Console.Example.com/ '] });
  expect(cors(await preflight(ORIGIN))['allow-origin']).toBe(ORIGIN);
});

test.each<CorsOptions>([{ origins: '*' }, { origins: ['*', ORIGIN] }])(
  'every origin is allowed without credentials by %j',
  async (options) => {
    const { ask, preflight } = await open(options);
    const before = await preflight('https://any.example', 'x-a');
    expect(before.status).toBe(204);
    expect(cors(before)).toMatchObject({ 'allow-origin': '*', 'allow-headers': 'x-a', 'max-age': '7200' });
    const answer = await ask('POST', { origin: 'https://any.example' });
    expect(cors(answer)).toEqual({ 'allow-origin': '*', 'expose-headers': expect.any(String) as string });
    expect(answer.headers.vary).toBeUndefined();
  },
);

test('without origins there are no CORS headers', async () => {
  const { ask, preflight } = await open({ origins: [] });
  const before = await preflight(ORIGIN);
  expect([before.status, cors(before), before.headers.vary]).toEqual([204, {}, undefined]);
  const answer = await ask('POST', { origin: ORIGIN });
  expect([answer.text, cors(answer)]).toEqual(['served', {}]);
});

test('requests that are no preflights are served', async () => {
  const { ask } = await open({ origins: '*' });
  expect((await ask('OPTIONS', { origin: ORIGIN })).text).toBe('served');
  expect((await ask('OPTIONS', { 'access-control-request-method': 'POST' })).text).toBe('served');
  const plain = await ask('GET');
  expect([plain.text, cors(plain)]).toEqual(['served', {}]);
});

test.each([
  ['not a list of names', 'a b'],
  ['with empty names', 'a,,b'],
  ['empty', ''],
  ['not ASCII', 'x-\u00e9'],
  ['too long', `x-${'a'.repeat(5000)}`],
])('a list of request headers that is %s is not echoed', async (_, asked) => {
  const { preflight } = await open({ origins: [ORIGIN] });
  const before = await preflight(ORIGIN, asked);
  expect(before.status).toBe(204);
  expect(cors(before)['allow-headers']).toBeUndefined();
});

test('preflights come over HTTP/2, too', async () => {
  const { url } = await open({ origins: [ORIGIN] });
  const before = await call2(connect2(url), {
    ':method': 'OPTIONS',
    ':path': '/',
    origin: ORIGIN,
    'access-control-request-method': 'POST',
  });
  expect([before.status, cors(before)['allow-origin']]).toEqual([204, ORIGIN]);
});
