import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Warning } from '../../../gen/llmgateway/v1/completion_pb.js';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import * as build from '../../../src/model/build.ts';
import { modelResource } from '../../../src/providers/google/model-path.ts';
import { googleProvider } from '../../../src/providers/google/provider.ts';
import type { ProviderCall } from '../../../src/providers/provider.ts';
import { answered, NO_TIMEOUTS, startPair } from '../../http/support/upstream.ts';

let pair: Awaited<ReturnType<typeof startPair>>;
beforeAll(async () => {
  pair = await startPair();
});
afterAll(() => pair.stop());

const provider = (options: { baseUrl?: string; discovery?: boolean } = {}) =>
  googleProvider(
    {
      name: 'google',
      baseUrl: `${pair.upstream.origin}/v1beta`,
      headers: { 'x-goog-api-key': 'k' },
      missing: null,
      unsupported: ['user'],
      discovery: false,
      ...options,
    },
    pair.client,
  );

const vertexUrl = 'https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l';

function callOf<Request>(
  request: Request,
  upstreamModel: string,
): ProviderCall<Request> & { warnings: Warning[] } {
  const warnings: Warning[] = [];
  return {
    request,
    upstreamModel,
    requestId: 'r',
    signal: new AbortController().signal,
    timeouts: NO_TIMEOUTS,
    warn: (more) => void warnings.push(...more),
    warnings,
  };
}

const inputs = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    $typeName: 'llmgateway.v1.EmbeddingInput' as const,
    content: { case: 'text' as const, value: `t${i}` },
  }));
const embeddingsOf = (count: number) => ({
  $typeName: 'llmgateway.v1.CreateEmbeddingsRequest' as const,
  model: 'm',
  inputs: inputs(count),
  taskType: '',
  user: '',
});

describe('vectors', () => {
  test('come in the order of the texts, over several batches', async () => {
    const paths: string[] = [];
    pair.upstream.answerAll(({ head, body, socket }) => {
      paths.push(head.split(' ')[1] ?? '');
      const { requests } = JSON.parse(body) as { requests: { content: { parts: { text: string }[] } }[] };
      const embeddings = requests.map(({ content }) => ({
        values: [Number(content.parts[0]?.text.slice(1)), 0.5],
      }));
      socket.write(answered(JSON.stringify({ embeddings, usageMetadata: { promptTokenCount: 4 } })));
    });
    const call = callOf(embeddingsOf(150), 'gemini-embedding-001');
    const response = await provider().createEmbeddings?.(call);
    expect(response?.embeddings.map(({ index, values }) => [index, values[0]])).toEqual(
      Array.from({ length: 150 }, (_, i) => [i, i]),
    );
    expect(response?.usage?.promptTokens).toBe(8);
    expect(response?.model).toBe('gemini-embedding-001');
    expect(paths).toEqual(Array(2).fill('/v1beta/models/gemini-embedding-001:batchEmbedContents'));
  });

  test.each([
    ['too few', { embeddings: [] }],
    ['no list', {}],
    ['no numbers', { embeddings: [{ values: ['x'] }] }],
    ['an error', { error: { code: 400, message: 'm' } }],
  ])('that are %s are a failure', async (_what, json) => {
    pair.upstream.answerAll(({ socket }) => void socket.write(answered(JSON.stringify(json))));
    await expect(provider().createEmbeddings?.(callOf(embeddingsOf(1), 'm'))).rejects.toThrow(GatewayError);
  });

  test('are not there on Vertex AI, which has another form for them', () => {
    expect(provider({ baseUrl: vertexUrl }).createEmbeddings).toBeUndefined();
  });
});

test('tokens are counted by the provider, of the whole request', async () => {
  let seen: [string, unknown] = ['', null];
  pair.upstream.answerAll(({ head, body, socket }) => {
    seen = [head.split(' ')[1] ?? '', JSON.parse(body)];
    socket.write(answered('{"totalTokens":31,"promptTokensDetails":[]}'));
  });
  const messages = [build.message(1, [build.textPart('s')]), build.message(3, [build.textPart('hi')])];
  const request = build.chatRequest('m', messages);
  expect(await provider().countTokens?.(callOf(request, 'tunedModels/a b'))).toBe(31);
  expect(seen).toEqual([
    '/v1beta/tunedModels/a%20b:countTokens',
    {
      generateContentRequest: {
        model: 'tunedModels/a b',
        systemInstruction: { parts: [{ text: 's' }], role: 'user' },
        contents: [{ parts: [{ text: 'hi' }], role: 'user' }],
      },
    },
  ]);
});

describe('the list of models', () => {
  test('is read to its last page', async () => {
    const paths: string[] = [];
    pair.upstream.answerAll(({ head, socket }) => {
      paths.push(head.split(' ')[1] ?? '');
      const first = paths.length === 1;
      const models = first
        ? [{ name: 'models/a', inputTokenLimit: 5, outputTokenLimit: 3 }, 1]
        : [{ name: 'models/b' }];
      socket.write(answered(JSON.stringify({ models, ...(first ? { nextPageToken: 'x/y' } : {}) })));
    });
    const models = await provider({ discovery: true }).listModels?.(new AbortController().signal);
    expect(models).toEqual([{ id: 'a', contextWindow: 5, maxOutputTokens: 3 }, { id: 'b' }]);
    expect(paths).toEqual(['/v1beta/models?pageSize=1000', '/v1beta/models?pageSize=1000&pageToken=x%2Fy']);
  });

  test('has a bound on its pages', async () => {
    let asked = 0;
    pair.upstream.answerAll(({ socket }) => {
      asked++;
      socket.write(answered('{"models":[],"nextPageToken":"again"}'));
    });
    await provider({ discovery: true }).listModels?.(new AbortController().signal);
    expect(asked).toBe(10);
  });

  test('is asked for only where it is wanted', () => expect(provider().listModels).toBeUndefined());
});

test('what cannot be taken hangs on the model', () => {
  const { unsupported } = provider();
  expect([...unsupported('gemini-2.5-flash')]).toEqual(['user']);
  expect([...unsupported('gemini-2.0-flash')]).toEqual(['user', 'reasoning_effort']);
});

describe('the name of a model', () => {
  const google = 'publishers/google/models';
  test.each([
    ['gemini-2.5-pro', 'models', 'models/gemini-2.5-pro'],
    ['models/gemini-2.5-pro', 'models', 'models/gemini-2.5-pro'],
    ['tunedModels/x', 'models', 'tunedModels/x'],
    ['publishers/meta/models/llama', 'models', 'publishers/meta/models/llama'],
    ['gemini-2.5-pro', google, 'publishers/google/models/gemini-2.5-pro'],
    ['models/gemini-2.5-pro', google, 'publishers/google/models/gemini-2.5-pro'],
    ['publishers/anthropic/models/claude@1', google, 'publishers/anthropic/models/claude%401'],
    ['endpoints/123', google, 'endpoints/123'],
    ['a/b', 'models', 'models/a%2Fb'],
    ['a?b#c:d', 'models', 'models/a%3Fb%23c%3Ad'],
    ['ü', 'models', 'models/%C3%BC'],
  ])('%s in %s is %s', (model, collection, resource) =>
    expect(modelResource(model, collection)).toBe(resource),
  );

  test.each(['', '.', '..', 'models/', 'models//x', 'models/../x', 'projects/../../x', '\ud800'])(
    '%j is refused',
    (model) => {
      expect(() => modelResource(model, 'models')).toThrow(/Invalid 'model'/);
    },
  );
});
