import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { awsSigner } from '../../src/providers/bedrock/sign.ts';
import { type ReceivedRequest, type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { eventFrame, exceptionFrame } from '../support/aws-event-stream.ts';
import { type BedrockExchange, recordedBedrock } from '../support/bedrock-recordings.ts';
import { callFace, chatFaces } from '../support/faces.ts';
import { anthropicClient, openaiClient, type RunningGateway, startGateway } from '../support/gateway.ts';

const STREAM =
  'HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n';
const chunk = (...frames: Buffer[]): Buffer => {
  const bytes = Buffer.concat(frames);
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
};
const json = (body: unknown, status = '200 OK', headers = ''): string => {
  const text = JSON.stringify(body);
  return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\n${headers}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
};
const text = (said: string) =>
  eventFrame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: said }, p: 'ab' });
const start = eventFrame('messageStart', { role: 'assistant', p: 'a' });
const closing = [
  eventFrame('contentBlockStop', { contentBlockIndex: 0 }),
  eventFrame('messageStop', { stopReason: 'end_turn' }),
  eventFrame('metadata', {
    usage: { inputTokens: 3, outputTokens: 2, totalTokens: 5 },
    metrics: { latencyMs: 1 },
  }),
];
const answer = {
  output: { message: { role: 'assistant', content: [{ text: 'Hello' }] } },
  stopReason: 'end_turn',
  usage: { inputTokens: 3, outputTokens: 2, totalTokens: 5 },
  metrics: { latencyMs: 1 },
};
const lost = Buffer.from('0\r\n\r\n');

/** What the upstream does when it is asked for a model of this name. */
const scripts: Record<string, (request: ReceivedRequest, stream: boolean) => void> = {
  good: ({ socket }, stream) => {
    if (!stream) return void socket.write(json(answer));
    socket.write(STREAM);
    socket.write(chunk(start, text('Hel')));
    socket.write(Buffer.concat([chunk(text('lo'), ...closing), lost]));
  },
  throttled: ({ socket }) =>
    void socket.write(
      json(
        { message: 'Too many tokens' },
        '429 Too Many Requests',
        'x-amzn-errortype: ThrottlingException\r\nretry-after: 7\r\n',
      ),
    ),
  'exception-first': ({ socket }, stream) => {
    if (!stream) return void socket.write(json({ message: 'Too many tokens' }, '429 Too Many Requests'));
    socket.write(STREAM);
    socket.write(
      Buffer.concat([
        chunk(start, exceptionFrame('throttlingException', { message: 'Too many tokens' })),
        lost,
      ]),
    );
  },
  'exception-midway': ({ socket }, stream) => {
    if (!stream)
      return void socket.write(
        json({ message: 'Broken' }, '500 Oops', 'x-amzn-errortype: InternalServerException\r\n'),
      );
    socket.write(STREAM);
    socket.write(chunk(start, text('Hel')));
    socket.write(
      Buffer.concat([chunk(exceptionFrame('modelStreamErrorException', { message: 'Broken' })), lost]),
    );
  },
  'ends-midway': ({ socket }, stream) => {
    if (!stream) return void socket.write(json(answer).slice(0, -10), () => socket.end());
    socket.write(STREAM);
    socket.write(Buffer.concat([chunk(start, text('Hel')), lost]));
  },
  'ends-in-a-frame': ({ socket }, stream) => {
    if (!stream) return void socket.write(json(answer).slice(0, -10), () => socket.end());
    socket.write(STREAM);
    socket.write(Buffer.concat([chunk(start, text('Hel'), text('lo').subarray(0, 30)), lost]));
  },
  corrupt: ({ socket }, stream) => {
    if (!stream) return void socket.write(json('not an answer'));
    const broken = Buffer.from(text('lo'));
    broken[40]! ^= 1;
    socket.write(STREAM);
    socket.write(Buffer.concat([chunk(start, text('Hel'), broken, ...closing), lost]));
  },
  'not-ours': ({ socket }) =>
    void socket.write(
      json(
        { message: 'The security token is invalid.' },
        '403 Forbidden',
        'x-amzn-errortype: UnrecognizedClientException\r\n',
      ),
    ),
};

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let asked: ReceivedRequest;
let playing: BedrockExchange | null = null;

const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const token = 'session-token-of-the-test';

beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll((request) => {
    asked = request;
    const [, model = '', operation] = /^POST \/model\/([^/]+)\/([\w-]+) /.exec(request.head) ?? [];
    if (playing !== null) return void replay(request, playing);
    scripts[decodeURIComponent(model)]?.(request, operation === 'converse-stream');
  });
  gateway = await startGateway({
    LLM_GATEWAY_BEDROCK_BASE_URL: upstream.origin,
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: secret,
    AWS_SESSION_TOKEN: token,
    AWS_REGION: 'eu-west-1',
  });
});
afterAll(async () => {
  await gateway?.stop();
  upstream?.close();
});

/** A recorded body, cut at places that look random and are the same in every run. */
async function replay(
  { socket }: ReceivedRequest,
  { status, headers, body }: BedrockExchange,
): Promise<void> {
  const sent = ['content-type', 'x-amzn-errortype'].flatMap((name) =>
    headers[name] === undefined ? [] : [`${name}: ${headers[name]}\r\n`],
  );
  socket.write(`HTTP/1.1 ${status} Replayed\r\n${sent.join('')}content-length: ${body.length}\r\n\r\n`);
  let state = body.length;
  for (let at = 0; at < body.length; ) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    const size = 1 + (state % 197);
    socket.write(body.subarray(at, at + size));
    at += size;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe.each(chatFaces)('over %s', (face) => {
  describe.each([
    ['whole', false],
    ['streamed', true],
  ] as const)('%s', (_how, stream) => {
    const call = (model: string) => callFace(face, gateway.url, `bedrock/${model}`, { stream });

    test('an answer', async () => {
      expect(await call('good')).toMatchObject({ text: 'Hello', complete: true, failure: null });
    });

    test('a rate limit is one', async () => {
      const { failure } = await call('throttled');
      expect(failure).toMatchObject({
        status: face === 'REST' ? 429 : 'ResourceExhausted',
        reason: 'upstream_rate_limited',
      });
    });

    test('an exception before the first output has its true status', async () => {
      const { failure, text: said } = await call('exception-first');
      expect(said).toBe('');
      expect(failure).toMatchObject({
        status: face === 'REST' ? 429 : 'ResourceExhausted',
        reason: 'upstream_rate_limited',
      });
      expect(failure?.message).toContain('Too many tokens');
    });

    test.each([
      ['exception-midway', 'upstream_failed'],
      ['ends-midway', 'upstream_interrupted'],
      ['ends-in-a-frame', 'upstream_interrupted'],
      ['corrupt', 'upstream_invalid'],
    ])('%s is never a success', async (model, reason) => {
      const { failure, complete, text: said } = await call(model);
      expect(complete).toBe(false);
      expect(failure?.reason).toBe(reason);
      if (stream) expect(said).toBe('Hel');
      if (face === 'REST') expect(failure?.status).toBe(stream ? 200 : 502);
      else expect(failure?.status).toBe('Unavailable');
    });

    test("a refused key is never the client's", async () => {
      const { failure } = await call('not-ours');
      expect(failure).toMatchObject({
        status: face === 'REST' ? 502 : 'Unavailable',
        reason: 'upstream_auth',
      });
    });
  });
});

test('every request is signed, path, body and session token included', async () => {
  await callFace('REST', gateway.url, 'bedrock/good', { stream: true, text: 'Grüße' });
  const header = (name: string) => new RegExp(`^${name}: (.*)$`, 'im').exec(asked.head)?.[1] ?? '';
  expect(header('x-amz-security-token')).toBe(token);
  const time = header('x-amz-date');
  const at = Date.parse(time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  const sign = awsSigner(
    {
      accessKeyId: 'AKIDEXAMPLE',
      secretAccessKey: secret,
      sessionToken: token,
      region: 'eu-west-1',
      service: 'bedrock',
    },
    () => at,
  );
  const signed = sign({
    method: 'POST',
    origin: upstream.origin,
    path: '/model/good/converse-stream',
    headers: { 'content-type': 'application/json' },
    body: asked.body,
  });
  expect(header('authorization')).toBe(signed['authorization']);
  expect(header('accept')).toBe('application/vnd.amazon.eventstream');
});

test('an ARN is one segment of the path', async () => {
  scripts['arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-x'] = ({ socket }) =>
    void socket.write(json(answer));
  const { complete } = await callFace(
    'REST',
    gateway.url,
    'bedrock/arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-x',
    {
      stream: false,
    },
  );
  expect(complete).toBe(true);
  expect(asked.head).toContain(
    '/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Feu.anthropic.claude-x/converse HTTP',
  );
});

test('a client that leaves stops the upstream', async () => {
  const controller = new AbortController();
  scripts['slow'] = ({ socket }) => {
    socket.write(STREAM);
    socket.write(chunk(start, text('Hel')));
  };
  await callFace('gRPC', gateway.url, 'bedrock/slow', {
    stream: true,
    signal: controller.signal,
    onText: () => controller.abort(),
  });
  await asked.gone;
});

describe('tokens are counted', () => {
  const counted = (model: string) =>
    anthropicClient(gateway.url).messages.countTokens({
      model: `bedrock/${model}`,
      system: 'Be brief.',
      messages: [{ role: 'user', content: 'How many are these?' }],
    });

  test('by the provider, for the model behind a profile across regions', async () => {
    scripts['anthropic.claude-haiku-4-5-20251001-v1:0'] = ({ socket }) =>
      void socket.write(json({ inputTokens: 17 }));
    expect(await counted('eu.anthropic.claude-haiku-4-5-20251001-v1:0')).toEqual({ input_tokens: 17 });
    expect(asked.head).toMatch(
      /^POST \/model\/anthropic\.claude-haiku-4-5-20251001-v1%3A0\/count-tokens HTTP/,
    );
    expect(asked.head).toMatch(/^authorization: AWS4-HMAC-SHA256 /im);
    expect(JSON.parse(asked.body)).toEqual({
      input: {
        converse: {
          messages: [{ role: 'user', content: [{ text: 'How many are these?' }] }],
          system: [{ text: 'Be brief.' }],
        },
      },
    });
  });

  test("by the gateway, where the model's cannot be", async () => {
    const refusing = { message: "The provided model doesn't support counting tokens." };
    scripts['amazon.nova-pro-v1:0'] = ({ socket }) =>
      void socket.write(json(refusing, '400 Bad Request', 'x-amzn-errortype: ValidationException\r\n'));
    const { input_tokens: tokens } = await counted('amazon.nova-pro-v1:0');
    expect(asked.head).toContain('/count-tokens');
    expect(tokens).toBeGreaterThan(3);
    expect(tokens).toBeLessThan(40);
  });

  test('not at all when the request is at fault', async () => {
    scripts['anthropic.claude-x'] = ({ socket }) =>
      void socket.write(
        json(
          { message: 'messages.0: too odd' },
          '400 Bad Request',
          'x-amzn-errortype: ValidationException\r\n',
        ),
      );
    await expect(counted('anthropic.claude-x')).rejects.toMatchObject({ status: 400 });
  });
});

test('no secret is in the log', async () => {
  await callFace('REST', gateway.url, 'bedrock/not-ours', { stream: false });
  expect(gateway.log.length).toBeGreaterThan(0);
  const log = JSON.stringify(gateway.log);
  for (const hidden of [secret, token, 'Signature=']) expect(log).not.toContain(hidden);
});

test('parameters that Bedrock cannot take are refused, or dropped and reported', async () => {
  const client = openaiClient(gateway.url);
  const ask = (more: object, model = 'bedrock/good') =>
    client.chat.completions
      .create({ model, messages: [{ role: 'user', content: 'Hi' }], ...more })
      .withResponse();
  for (const [field, more] of Object.entries({
    n: { n: 2 },
    logprobs: { logprobs: true },
    response_format: { response_format: { type: 'json_object' } },
  })) {
    await expect(ask(more)).rejects.toMatchObject({
      status: 400,
      param: field,
      code: 'unsupported_parameter',
    });
    const { response } = await ask({ ...more, drop_params: true });
    const told = `${response.headers.get('x-dropped-params')} ${response.headers.get('x-warnings')}`;
    expect(told).toContain(field);
  }
  const { response } = await ask({ seed: 1, user: 'u', frequency_penalty: 1, reasoning_effort: 'low' });
  expect(response.headers.get('x-dropped-params')?.split(/,\s*/).sort()).toEqual([
    'frequency_penalty',
    'reasoning_effort',
    'seed',
    'user',
  ]);
  await expect(
    client.chat.completions.create({
      model: 'bedrock/good',
      messages: [
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a.example/a.png' } }] },
      ],
    }),
  ).rejects.toMatchObject({ status: 400, param: 'messages[0].content[0]' });
});

describe('recorded exchanges', () => {
  const recorded = recordedBedrock().filter(({ endpoint }) => endpoint === 'converse');
  test.skipIf(recorded.length === 0).each(recorded.map((exchange) => [exchange.title, exchange] as const))(
    '%s through the SDK',
    async (_title, exchange) => {
      playing = exchange;
      const { model, stream, status, derived } = exchange;
      const client = openaiClient(gateway.url);
      const request = { model: `bedrock/${model}`, messages: [{ role: 'user' as const, content: 'Hi' }] };
      try {
        const run = () =>
          stream || exchange.path.endsWith('-stream')
            ? client.chat.completions
                .stream({ ...request, stream_options: { include_usage: true } })
                .finalChatCompletion()
            : client.chat.completions.create(request);
        if (status !== 200) {
          await expect(run()).rejects.toMatchObject({
            status,
            message: expect.stringContaining(derived.error?.message ?? ''),
          });
          return;
        }
        const { choices, usage } = await run();
        expect(choices[0]?.message.content ?? '').toBe(derived.text ?? '');
        const calls = (choices[0]?.message.tool_calls ?? []).map((call) =>
          call.type === 'function'
            ? { id: call.id, name: call.function.name, args: JSON.parse(call.function.arguments) }
            : null,
        );
        expect(calls).toEqual(derived.tool_calls ?? []);
        const finish: Record<string, string> = {
          end_turn: 'stop',
          tool_use: 'tool_calls',
          max_tokens: 'length',
        };
        expect(choices[0]?.finish_reason).toBe(finish[derived.finish ?? '']);
        expect(usage).toMatchObject({
          prompt_tokens: derived.usage?.inputTokens,
          completion_tokens: derived.usage?.outputTokens,
          total_tokens: derived.usage?.totalTokens,
        });
        expect(asked.head).toContain(`POST ${exchange.path} HTTP`);
      } finally {
        playing = null;
      }
    },
  );
});

describe('other ways in', () => {
  const with_ = async (env: Record<string, string>, run: (other: RunningGateway) => Promise<void>) => {
    const other = await startGateway(env);
    try {
      await run(other);
    } finally {
      await other.stop();
    }
  };

  test("a key of Bedrock's own goes as it is, and wins", () =>
    with_(
      {
        LLM_GATEWAY_BEDROCK_BASE_URL: upstream.origin,
        AWS_BEARER_TOKEN_BEDROCK: 'bedrock-api-key-x',
        AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
        AWS_SECRET_ACCESS_KEY: secret,
      },
      async ({ url }) => {
        expect(await callFace('REST', url, 'bedrock/good', { stream: false })).toMatchObject({
          complete: true,
        });
        expect(asked.head).toMatch(/^authorization: Bearer bedrock-api-key-x$/im);
        expect(asked.head).not.toMatch(/x-amz-date/i);
      },
    ));

  test('without keys, and without a region, the variables to set are named', async () => {
    await with_({}, async ({ url }) => {
      const { failure } = await callFace('REST', url, 'bedrock/good', { stream: false });
      expect(failure).toMatchObject({ status: 400, reason: 'provider_not_configured' });
      expect(failure?.message).toContain(
        'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_BEARER_TOKEN_BEDROCK',
      );
    });
    await with_({ AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: secret }, async ({ url }) => {
      const { failure } = await callFace('REST', url, 'bedrock/good', { stream: false });
      expect(failure).toMatchObject({ status: 400, reason: 'provider_not_configured' });
      expect(failure?.message).toContain('set AWS_REGION');
    });
  });
});

describe('the proxy', () => {
  let proxy: ScriptedUpstream;
  let through: RunningGateway;
  let body: Record<string, unknown>;
  let head = '';
  beforeAll(async () => {
    proxy = await startUpstream();
    proxy.answerAll(({ socket, head: first, body: given }) => {
      if (given === '') return void socket.write(json({ status: 'healthy' }));
      head = first;
      body = JSON.parse(given);
      const replies: Record<string, string> = {
        good: json({ success: true, response: 'Hello', error: null }),
        failed: json({ success: false, response: null, error: 'Bedrock said no' }),
        odd: json({ output: 'Hello' }),
        unwell: json({ detail: 'Slow down' }, '429 Too Many Requests', 'retry-after: 3\r\n'),
      };
      socket.write(replies[String(body['model'])] ?? json({}, '404 Not Found'));
    });
    through = await startGateway({ BEDROCK_ENDPOINT: `${proxy.origin}/invoke`, BEDROCK_REGION: 'eu-west-1' });
  });
  afterAll(async () => {
    await through?.stop();
    proxy?.close();
  });

  describe.each(chatFaces)('over %s', (face) => {
    test.each([
      ['whole', false],
      ['streamed', true],
    ])('answers %s, unsigned', async (_how, stream) => {
      expect(await callFace(face, through.url, 'bedrock/good', { stream })).toMatchObject({
        text: 'Hello',
        complete: true,
      });
      expect(head).toMatch(/^POST \/invoke HTTP/);
      expect(head).not.toMatch(/^(?:authorization|x-amz)/im);
      expect(body).toEqual({ prompt: 'Hello', model: 'good', max_tokens: 1_024, region: 'eu-west-1' });
    });

    test.each([
      ['failed', 'upstream_failed'],
      ['odd', 'upstream_invalid'],
      ['unwell', 'upstream_rate_limited'],
    ])('%s is an error', async (model, reason) => {
      for (const stream of [false, true]) {
        expect((await callFace(face, through.url, `bedrock/${model}`, { stream })).failure?.reason).toBe(
          reason,
        );
      }
    });
  });

  test('a conversation is one prompt, instructions beside it', async () => {
    const client = openaiClient(through.url);
    const { response } = await client.chat.completions
      .create({
        model: 'bedrock/good',
        max_tokens: 5,
        temperature: 0.5,
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'A' },
          { role: 'assistant', content: 'B' },
          { role: 'user', content: 'C' },
        ],
      })
      .withResponse();
    expect(body).toEqual({
      prompt: 'User: A\n\nAssistant: B\n\nUser: C\n\nAssistant:',
      model: 'good',
      max_tokens: 5,
      system: 'Be brief.',
      region: 'eu-west-1',
    });
    expect(response.headers.get('x-dropped-params')).toBe('temperature');
  });

  test('what is no text is refused by name', async () => {
    const client = openaiClient(through.url);
    await expect(
      client.chat.completions.create({
        model: 'bedrock/good',
        messages: [
          {
            role: 'user',
            content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AQI=' } }],
          },
        ],
      }),
    ).rejects.toMatchObject({ status: 400, param: 'messages[0].content[0]' });
    const tools = [{ type: 'function' as const, function: { name: 'f' } }];
    await expect(
      client.chat.completions.create({
        model: 'bedrock/good',
        messages: [{ role: 'user', content: 'A' }],
        tools,
      }),
    ).rejects.toMatchObject({ status: 400, param: 'tools' });
  });
});
