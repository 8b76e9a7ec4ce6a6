import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CreateEmbeddingsRequest } from '../../../gen/llmgateway/v1/embeddings_service_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import type { ProviderConfig } from '../../../src/config/providers.ts';
import { Secret } from '../../../src/config/secret.ts';
import type { GatewayError } from '../../../src/errors/gateway-error.ts';
import { createUpstreamClient, type UpstreamClient } from '../../../src/http/client.ts';
import * as build from '../../../src/model/build.ts';
import { bedrockProvider } from '../../../src/providers/bedrock/provider.ts';
import {
  NO_TIMEOUTS,
  type ReceivedRequest,
  rejection,
  type ScriptedUpstream,
  startUpstream,
} from '../../http/support/upstream.ts';

let upstream: ScriptedUpstream;
let client: UpstreamClient;
beforeEach(async () => {
  upstream = await startUpstream();
  client = createUpstreamClient();
});
afterEach(async () => {
  await client.destroy();
  upstream.close();
});

const config = (): ProviderConfig => ({
  name: 'bedrock',
  form: 'bedrock',
  baseUrl: upstream.origin,
  hasOwnAddress: false,
  apiKey: null,
  apiKeys: [],
  aws: {
    region: 'eu-west-1',
    credentials: {
      accessKeyId: 'AKIDEXAMPLE',
      secretAccessKey: new Secret('secret-of-the-test'),
      sessionToken: null,
    },
    endpoint: '',
  },
  keyNames: [],
  prefixes: ['bedrock/'],
  headers: {},
  timeouts: {},
  securityLevel: 'high',
  discovery: false,
  free: false,
  dialect: {},
  unsupported: [],
  embeddings: 'none',
  responses: false,
  compaction: false,
  claudeApi: 'converse',
});

const request = (texts: string[], more: Partial<CreateEmbeddingsRequest> = {}): CreateEmbeddingsRequest => ({
  $typeName: 'llmgateway.v1.CreateEmbeddingsRequest',
  model: 'm',
  inputs: texts.map((text) => ({
    $typeName: 'llmgateway.v1.EmbeddingInput',
    content: { case: 'text', value: text },
  })),
  taskType: '',
  user: '',
  ...more,
});

const reply = (body: unknown, status = '200 OK', headers = ''): string => {
  const text = JSON.stringify(body);
  return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\n${headers}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
};

function embed(model: string, asked: CreateEmbeddingsRequest, signal = new AbortController().signal) {
  const codes: string[] = [];
  const answer = bedrockProvider(config(), client).createEmbeddings!({
    request: asked,
    upstreamModel: model,
    requestId: 'r',
    signal,
    timeouts: NO_TIMEOUTS,
    warn: (warnings) => void codes.push(...warnings.map(({ code }) => code)),
  });
  return { answer, codes };
}

const titan = 'amazon.titan-embed-text-v2:0';

describe('Titan', () => {
  test('takes a text each; the vectors come in order, the tokens are summed up', async () => {
    const bodies: Record<string, unknown>[] = [];
    upstream.answerAll(({ socket, head, body }) => {
      const json = JSON.parse(body);
      bodies.push(json);
      expect(head).toMatch(/^POST \/model\/amazon\.titan-embed-text-v2%3A0\/invoke HTTP/);
      expect(head).toMatch(
        /authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/bedrock\/aws4_request/i,
      );
      socket.write(reply({ embedding: [Number(json.inputText)], inputTextTokenCount: 2 }));
    });
    const texts = Array.from({ length: 30 }, (_, i) => `${i}`);
    const extras = build.extras('aws.invoke', '{"normalize":false}');
    const { answer, codes } = embed(
      titan,
      request(texts, { dimensions: 256, extras, taskType: 'search_query' }),
    );
    const { embeddings, usage, model } = await answer;
    expect(embeddings.map(({ index, values }) => [index, ...values])).toEqual(texts.map((_, i) => [i, i]));
    expect(usage).toEqual(build.usage(60, 0));
    expect(model).toBe(titan);
    expect(bodies).toContainEqual({ inputText: '7', dimensions: 256, normalize: false });
    expect(codes).toEqual(['dropped_task_type']);
  });

  test('is asked at most 8 times at once', async () => {
    const waiting: ReceivedRequest[] = [];
    let most = 0;
    const arrived: (() => void)[] = [];
    upstream.answerAll((received) => {
      waiting.push(received);
      most = Math.max(most, waiting.length);
      arrived.shift()?.();
    });
    const { answer } = embed(titan, request(Array.from({ length: 20 }, () => 'x')));
    for (let done = 0; done < 20; done++) {
      while (waiting.length < Math.min(8, 20 - done))
        await new Promise<void>((resolve) => arrived.push(resolve));
      waiting.shift()!.socket.write(reply({ embedding: [1] }));
    }
    const { embeddings, usage } = await answer;
    expect(embeddings).toHaveLength(20);
    expect(usage).toBeUndefined();
    expect(most).toBe(8);
  });

  test('the first failure stops the others', async () => {
    const asked: ReceivedRequest[] = [];
    upstream.answerAll((received) => {
      asked.push(received);
      if (asked.length < 6) return;
      const failing = asked.findIndex(({ body }) => JSON.parse(body).inputText === '3');
      const [{ socket } = received] = asked.splice(failing, 1);
      socket.write(
        reply({ message: 'Slow down' }, '429 Too Many Requests', 'x-amzn-errortype: ThrottlingException\r\n'),
      );
    });
    const { answer } = embed(titan, request(['0', '1', '2', '3', '4', '5']));
    const error = (await rejection(answer)) as GatewayError;
    expect(error.reason).toBe(ErrorReason.UPSTREAM_RATE_LIMITED);
    expect(asked).toHaveLength(5);
    await Promise.all(asked.map(({ gone }) => gone));
  });

  test('who leaves stops them all', async () => {
    const controller = new AbortController();
    const { answer } = embed(titan, request(['0', '1']), controller.signal);
    const [one, two] = await Promise.all([upstream.request(), upstream.request()]);
    controller.abort(new Error('left'));
    expect(await rejection(answer)).toMatchObject({ message: 'left' });
    await Promise.all([one.gone, two.gone]);
  });

  test.each(['amazon.titan-embed-text-v1', 'amazon.titan-embed-g1-text-02'])(
    '%s has one length',
    async (model) => {
      const error = (await rejection(
        embed(model, request(['x'], { dimensions: 256 })).answer,
      )) as GatewayError;
      expect(error).toMatchObject({
        reason: ErrorReason.UNSUPPORTED_PARAMETER,
        facts: { field: 'dimensions' },
      });
    },
  );
});

describe('Cohere', () => {
  test('takes 96 texts at once, and has to be told what for', async () => {
    const bodies: { texts: string[]; input_type: string; output_dimension?: number }[] = [];
    upstream.answerAll(({ socket, body }) => {
      const json = JSON.parse(body);
      bodies.push(json);
      const embeddings = json.texts.map((text: string) => [Number(text), 0.5]);
      socket.write(
        reply(
          { id: 'x', embeddings },
          '200 OK',
          `x-amzn-bedrock-input-token-count: ${json.texts.length}\r\n`,
        ),
      );
    });
    const texts = Array.from({ length: 200 }, (_, i) => `${i}`);
    const { embeddings, usage } = await embed('cohere.embed-multilingual-v3', request(texts)).answer;
    expect(bodies.map((body) => body.texts.length).sort((a, b) => b - a)).toEqual([96, 96, 8]);
    expect(bodies[0]?.input_type).toBe('search_document');
    expect(embeddings.map(({ values }) => values[0])).toEqual(texts.map(Number));
    expect(usage).toEqual(build.usage(200, 0));
  });

  test('v4 has lengths, and vectors by their type', async () => {
    let asked: unknown;
    upstream.answerAll(({ socket, body }) => {
      asked = JSON.parse(body);
      socket.write(reply({ embeddings: { float: [[1, 2]] } }));
    });
    const { embeddings } = await embed(
      'us.cohere.embed-v4:0',
      request(['a'], { dimensions: 256, taskType: 'SEARCH_QUERY' }),
    ).answer;
    expect(asked).toEqual({ texts: ['a'], input_type: 'search_query', output_dimension: 256 });
    expect(embeddings[0]?.values).toEqual([1, 2]);
  });

  test('v3 has one length', async () => {
    const error = (await rejection(
      embed('cohere.embed-english-v3', request(['x'], { dimensions: 256 })).answer,
    )) as GatewayError;
    expect(error.facts.field).toBe('dimensions');
  });

  test('v3 has that length where the client wants dropped what cannot be', async () => {
    let asked: unknown;
    upstream.answerAll(({ socket, body }) => {
      asked = JSON.parse(body);
      socket.write(reply({ embeddings: [[1, 2]] }));
    });
    const { answer, codes } = embed(
      'cohere.embed-english-v3',
      request(['x'], { dimensions: 256, dropParams: true }),
    );
    expect((await answer).embeddings).toHaveLength(1);
    expect(asked).toEqual({ texts: ['x'], input_type: 'search_document' });
    expect(codes).toEqual(['dropped_dimensions']);
  });
});

describe('refused, or not understood', () => {
  test('token ids', async () => {
    const inputs: CreateEmbeddingsRequest['inputs'] = [
      {
        $typeName: 'llmgateway.v1.EmbeddingInput',
        content: { case: 'tokens', value: { $typeName: 'llmgateway.v1.TokenIds', ids: [1] } },
      },
    ];
    const error = (await rejection(embed(titan, request([], { inputs })).answer)) as GatewayError;
    expect(error).toMatchObject({ reason: ErrorReason.INVALID_REQUEST, facts: { field: 'input[0]' } });
  });

  test('a model without embeddings', async () => {
    const error = (await rejection(embed('amazon.nova-lite-v1:0', request(['x'])).answer)) as GatewayError;
    expect(error).toMatchObject({ reason: ErrorReason.MODEL_NOT_SUPPORTED, facts: { field: 'model' } });
  });

  test.each([
    [titan, {}],
    [titan, { embedding: [] }],
    [titan, { embedding: ['1'] }],
    ['cohere.embed-english-v3', { embeddings: [] }],
    ['cohere.embed-english-v3', { embeddings: [[1], [2]] }],
    ['cohere.embed-english-v3', { embeddings: { int8: [[1]] } }],
  ])('%s answers %j', async (model, body) => {
    upstream.answerAll(({ socket }) => void socket.write(reply(body)));
    const error = (await rejection(embed(model, request(['x'])).answer)) as GatewayError;
    expect(error.reason).toBe(ErrorReason.UPSTREAM_INVALID);
  });
});
