import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { decodeGeminiResponse } from '../../../src/codec/gemini/decode-response.ts';
import { decodeEmbeddings } from '../../../src/codec/gemini/embeddings.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import { type Answer, assemble, callsOf, decodeChunks, decodePieces, textOf } from './support/events.ts';

// Every answer is decoded whole, and as a stream of one chunk, where nothing else is said.

type Json = Record<string, unknown>;

const candidate = (parts: unknown[], rest: Json = {}): Json => ({
  content: { role: 'model', parts },
  finishReason: 'STOP',
  ...rest,
});
const response = (parts: unknown[], rest: Json = {}): Json => ({
  candidates: [candidate(parts, rest)],
  responseId: 'r',
  modelVersion: 'm',
});

function unary(json: unknown): Answer {
  const { choices, usage } = decodeGeminiResponse(json, { provider: 'google' });
  const [choice] = choices;
  return {
    parts: choice?.message?.parts ?? [],
    finish: FinishReason[choice?.finishReason ?? 0] as string,
    native: choice?.nativeFinishReason ?? '',
    usage,
  };
}
const streamed = (...chunks: unknown[]): Answer => assemble(decodeChunks(...chunks));

const ways = [
  ['whole', unary],
  ['streamed', (json: unknown) => streamed(json)],
] as const;

const failure = (attempt: () => unknown): GatewayError => {
  try {
    attempt();
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    return error as GatewayError;
  }
  throw new Error('expected a failure');
};

describe.each(ways)('an answer, %s', (_way, decode) => {
  const kinds = (parts: unknown[]) => decode(response(parts)).parts.map(({ content }) => content.case);

  test('keeps the signature of a text beside it', () => {
    const { parts } = decode(response([{ text: 'a', thoughtSignature: 's+/=' }, { text: 'b' }]));
    expect(parts.map(({ content }) => content.case)).toEqual(['text', 'reasoning', 'text']);
    expect(parts[1]?.content.value).toMatchObject({
      text: '',
      signature: 's+/=',
      format: 'google-gemini-v1',
    });
  });

  test('keeps the signature of a thought with it', () => {
    const { parts } = decode(response([{ text: 'hm', thought: true, thoughtSignature: 's' }, { text: 'a' }]));
    expect(parts[0]?.content.value).toMatchObject({ text: 'hm', signature: 's', format: 'google-gemini-v1' });
    expect(textOf(parts)).toBe('a');
  });

  test('keeps a signature that comes by itself', () => {
    for (const part of [{ thoughtSignature: 's' }, { text: '', thoughtSignature: 's' }]) {
      const { parts } = decode(response([{ text: 'a' }, part]));
      expect(parts.map(({ content }) => content.case)).toEqual(['text', 'reasoning']);
    }
  });

  test('keeps pictures, sound and files', () => {
    const { parts } = decode(
      response([
        { inlineData: { mimeType: 'image/png', data: 'QUJD' }, thoughtSignature: 's' },
        { inlineData: { mimeType: 'audio/L16;codec=pcm;rate=24000', data: 'QUJD' } },
        { inlineData: { mimeType: 'video/mp4', data: 'QUJD' } },
        { fileData: { mimeType: 'image/png', fileUri: 'gs://b/a' } },
      ]),
    );
    expect(parts.map(({ content }) => content.case)).toEqual([
      'image',
      'reasoning',
      'audio',
      'file',
      'image',
    ]);
    expect(parts[0]?.content.value).toMatchObject({
      source: { case: 'url', value: 'data:image/png;base64,QUJD' },
      mediaType: 'image/png',
    });
    expect(parts[2]).toMatchObject({
      content: { value: { source: { case: 'base64', value: 'QUJD' }, format: 'pcm16' } },
      extras: {
        dialect: 'google.gemini',
        json: '{"inlineData":{"mimeType":"audio/L16;codec=pcm;rate=24000"}}',
      },
    });
    expect(parts[4]?.content.value).toMatchObject({ source: { case: 'url', value: 'gs://b/a' } });
  });

  test('keeps what it does not know whole', () => {
    const code = { executableCode: { language: 'PYTHON', code: '1' }, thoughtSignature: 's' };
    const { parts } = decode(
      response([
        code,
        { codeExecutionResult: { output: '1' } },
        { thought: true, inlineData: { mimeType: 'image/png', data: 'QQ==' } },
      ]),
    );
    expect(parts.map(({ content }) => content.case)).toEqual(['opaque', 'opaque', 'opaque']);
    expect(parts[0]?.content.value).toMatchObject({
      dialect: 'google.gemini',
      type: 'executableCode',
      json: JSON.stringify(code),
    });
  });

  test('with calls has stopped for them, whatever it says', () => {
    const { parts, finish, native } = decode(
      response([
        { functionCall: { name: 'f' }, thoughtSignature: 's' },
        { functionCall: { name: 'f', args: { a: 1 }, id: 'own' } },
        { functionCall: { name: 'g' } },
      ]),
    );
    const calls = callsOf(parts);
    expect(calls.map(({ arguments: args, signature }) => [args, signature])).toEqual([
      ['{}', 's'],
      ['{"a":1}', ''],
      ['{}', ''],
    ]);
    expect(calls[1]?.id).toBe('own');
    expect(new Set(calls.map(({ id }) => id)).size).toBe(3);
    expect([finish, native]).toEqual(['TOOL_CALLS', 'STOP']);
    // The same call has the same id, so that a retry of the client's finds it.
    expect(callsOf(decode(response([{ functionCall: { name: 'f' } }])).parts)[0]?.id).toBe(calls[0]?.id);
  });

  test('a call without a name is kept whole', () =>
    expect(kinds([{ functionCall: { partialArgs: [] } }])).toEqual(['opaque']));

  test.each([
    ['STOP', 'STOP', ''],
    ['MAX_TOKENS', 'LENGTH', 'MAX_TOKENS'],
    ['SAFETY', 'CONTENT_FILTER', 'SAFETY'],
    ['RECITATION', 'CONTENT_FILTER', 'RECITATION'],
    ['LANGUAGE', 'CONTENT_FILTER', 'LANGUAGE'],
    ['BLOCKLIST', 'CONTENT_FILTER', 'BLOCKLIST'],
    ['PROHIBITED_CONTENT', 'CONTENT_FILTER', 'PROHIBITED_CONTENT'],
    ['SPII', 'CONTENT_FILTER', 'SPII'],
    ['IMAGE_SAFETY', 'CONTENT_FILTER', 'IMAGE_SAFETY'],
    ['TOO_MANY_TOOL_CALLS', 'STOP', 'TOO_MANY_TOOL_CALLS'],
    ['OTHER', 'STOP', 'OTHER'],
    ['SOMETHING_NEW', 'STOP', 'SOMETHING_NEW'],
  ])('ended by %s', (finishReason, finish, native) => {
    expect(decode(response([{ text: 'a' }], { finishReason }))).toMatchObject({ finish, native });
    expect(decode({ candidates: [{ finishReason }] })).toMatchObject({ finish, native, parts: [] });
  });

  test.each(['MALFORMED_FUNCTION_CALL', 'UNEXPECTED_TOOL_CALL'])(
    'ended by %s is a failure',
    (finishReason) => {
      const error = failure(() =>
        decode(response([], { finishReason, finishMessage: 'Malformed call: f(' })),
      );
      expect(error.reason).toBe(ErrorReason.UPSTREAM_FAILED);
      expect(error.rawMessage).toContain(`${finishReason}: Malformed call: f(`);
      expect(error.facts.upstreamCode).toBe(finishReason);
    },
  );

  test('that was never begun, as the prompt was blocked, is refused and says why', () => {
    const error = failure(() =>
      decode({
        promptFeedback: {
          blockReason: 'SAFETY',
          safetyRatings: [
            { category: 'HARM_CATEGORY_HARASSMENT', probability: 'HIGH', blocked: true },
            { category: 'HARM_CATEGORY_OTHER', probability: 'LOW' },
          ],
        },
        usageMetadata: { promptTokenCount: 4 },
      }),
    );
    expect(error.reason).toBe(ErrorReason.CONTENT_FILTERED);
    expect([error.status, error.facts.upstreamCode]).toEqual([400, 'SAFETY']);
    expect(error.rawMessage).toContain('the prompt was blocked: SAFETY (HARM_CATEGORY_HARASSMENT HIGH)');
    expect(error.rawMessage).not.toContain('HARM_CATEGORY_OTHER');
  });

  test.each([
    [
      'an error',
      { error: { code: 429, message: 'slow down', status: 'RESOURCE_EXHAUSTED' } },
      ErrorReason.UPSTREAM_RATE_LIMITED,
    ],
    [
      'a list of one',
      [{ error: { code: 503, message: 'overloaded', status: 'UNAVAILABLE' } }],
      ErrorReason.UPSTREAM_OVERLOADED,
    ],
    ['an error without a code', { error: { status: 'PERMISSION_DENIED' } }, ErrorReason.UPSTREAM_AUTH],
    ['an error that is a text', { error: 'no' }, ErrorReason.UPSTREAM_FAILED],
    ['a text', 'no', ErrorReason.UPSTREAM_INVALID],
    ['null', null, ErrorReason.UPSTREAM_INVALID],
    ['a candidate that is none', { candidates: [1] }, ErrorReason.UPSTREAM_INVALID],
  ])('that is %s in a good reply is found', (_what, json, reason) => {
    expect(failure(() => decode(json)).reason).toBe(reason);
  });

  test('tells of tokens in OpenAI’s meaning', () => {
    const { usage } = decode({
      ...response([{ text: 'a' }]),
      usageMetadata: {
        promptTokenCount: 100,
        cachedContentTokenCount: 40,
        toolUsePromptTokenCount: 7,
        candidatesTokenCount: 20,
        thoughtsTokenCount: 30,
        totalTokenCount: 157,
        promptTokensDetails: [
          { modality: 'TEXT', tokenCount: 80 },
          { modality: 'IMAGE', tokenCount: 15 },
          { modality: 'AUDIO', tokenCount: 5 },
          1,
          { modality: 'TEXT' },
        ],
        candidatesTokensDetails: [
          { modality: 'TEXT', tokenCount: 12 },
          { modality: 'AUDIO', tokenCount: 8 },
        ],
        trafficType: 'ON_DEMAND',
      },
    });
    expect(usage).toMatchObject({
      promptTokens: 107,
      completionTokens: 50,
      totalTokens: 157,
      cachedTokens: 40,
      reasoningTokens: 30,
      promptTextTokens: 80,
      promptImageTokens: 15,
      promptAudioTokens: 5,
      completionTextTokens: 12,
      completionAudioTokens: 8,
    });
    expect(JSON.parse(usage?.extras?.json ?? '')).toMatchObject({
      toolUsePromptTokenCount: 7,
      trafficType: 'ON_DEMAND',
    });
    expect(decode({ ...response([]), usageMetadata: { trafficType: 'ON_DEMAND' } }).usage).toBeUndefined();
  });

  test('cites the pages it rests on, by characters', () => {
    const text = 'Ünïcode says ✓. Spain won.';
    const at = (from: string) => Buffer.byteLength(text.slice(0, text.indexOf(from)));
    const { parts } = decode(
      response([{ text }], {
        groundingMetadata: {
          groundingChunks: [
            { web: { uri: 'https://a', title: 'A' } },
            { web: { uri: 'https://b', domain: 'b' } },
            { maps: { uri: 'https://c' } },
            { image: {} },
          ],
          groundingSupports: [
            {
              segment: { startIndex: at('Spain'), endIndex: Buffer.byteLength(text), text: 'Spain won.' },
              groundingChunkIndices: [0, 1, 9],
            },
            { groundingChunkIndices: 'x' },
            1,
          ],
        },
        citationMetadata: {
          citationSources: [{ startIndex: 0, endIndex: at(' says'), uri: 'https://d', license: 'mit' }],
        },
      }),
    );
    const [content] = parts.map((part) => part.content);
    const annotations = content?.case === 'text' ? content.value.annotations : [];
    const cited = annotations.map(({ kind }) => {
      const { url, startIndex, endIndex } = kind.value as {
        url: string;
        startIndex: number;
        endIndex: number;
      };
      return [url, text.slice(startIndex, endIndex)];
    });
    expect(cited).toEqual([
      ['https://a', 'Spain won.'],
      ['https://b', 'Spain won.'],
      ['https://c', ''],
      ['https://d', 'Ünïcode'],
    ]);
    expect(annotations.map(({ extras }) => extras?.json)).toEqual([
      undefined,
      '{"domain":"b"}',
      '{"kind":"maps"}',
      '{"license":"mit"}',
    ]);
  });
});

test('places of passages count over all texts, or in the text they name', () => {
  const supports = [
    { segment: { startIndex: 3, endIndex: 5 }, groundingChunkIndices: [0] },
    { segment: { partIndex: 2, startIndex: 1, endIndex: 2 }, groundingChunkIndices: [0] },
  ];
  const { parts } = unary(
    response([{ text: 'é' }, { executableCode: {} }, { text: 'abc' }], {
      groundingMetadata: { groundingChunks: [{ web: { uri: 'https://a' } }], groundingSupports: supports },
    }),
  );
  const places = parts.map(({ content }) =>
    content.case === 'text'
      ? content.value.annotations.map(({ kind }) => {
          const { startIndex, endIndex } = kind.value as { startIndex: number; endIndex: number };
          return content.value.text.slice(startIndex, endIndex);
        })
      : [],
  );
  expect(places).toEqual([[], [], ['bc', 'b']]);
});

describe('what has no field', () => {
  const json = {
    ...response([{ text: 'a' }], {
      safetyRatings: [1],
      avgLogprobs: -0.1,
      groundingMetadata: { webSearchQueries: ['q'] },
    }),
    promptFeedback: { safetyRatings: [] },
  };

  test('is kept with the answer and its choice', () => {
    const { extras, choices, id, model } = decodeGeminiResponse(json, { provider: 'google' });
    expect([id, model]).toEqual(['r', 'm']);
    expect(JSON.parse(extras?.json ?? '')).toEqual({ promptFeedback: { safetyRatings: [] } });
    expect(JSON.parse(choices[0]?.extras?.json ?? '')).toEqual({
      safetyRatings: [1],
      avgLogprobs: -0.1,
      groundingMetadata: { webSearchQueries: ['q'] },
    });
  });

  test('is told in a stream when it changes', () => {
    const first = { candidates: [{ content: { parts: [{ text: 'a' }] }, safetyRatings: [1] }], odd: 1 };
    const last = {
      candidates: [{ ...candidate([{ text: 'b' }]), safetyRatings: [1], avgLogprobs: 2 }],
      odd: 1,
    };
    const told = decodeChunks(first, last).flatMap(({ event }) =>
      event.case === 'opaque' ? [JSON.parse(event.value.json)] : [],
    );
    expect(told).toEqual([
      { odd: 1, candidates: [{ index: 0, safetyRatings: [1] }] },
      { candidates: [{ index: 0, avgLogprobs: 2 }] },
    ]);
  });
});

describe('log probabilities', () => {
  const logprobsResult = {
    chosenCandidates: [{ token: 'a', logProbability: -0.5, tokenId: 3 }, { token: 'b' }],
    topCandidates: [
      {
        candidates: [
          { token: 'a', logProbability: -0.5 },
          { token: 'c', logProbability: -1 },
        ],
      },
    ],
  };
  const expected = [
    {
      token: 'a',
      logprob: -0.5,
      topLogprobs: [
        { token: 'a', logprob: -0.5 },
        { token: 'c', logprob: -1 },
      ],
    },
    { token: 'b', logprob: 0, topLogprobs: [] },
  ];

  test('are those of the chosen tokens', () => {
    const { choices } = decodeGeminiResponse(response([{ text: 'ab' }], { logprobsResult }), {
      provider: 'google',
    });
    expect(choices[0]?.logprobs?.content).toMatchObject(expected);
  });

  test('go with their text in a stream', () => {
    const deltas = decodeChunks(response([{ text: 'ab' }], { logprobsResult })).flatMap(({ event }) =>
      event.case === 'delta' ? [event.value] : [],
    );
    expect(deltas).toMatchObject([{ text: 'ab', logprobs: { content: expected } }]);
  });
});

describe('a stream', () => {
  const open = (...parts: unknown[]): Json => ({ candidates: [{ content: { parts } }], responseId: 'r' });

  test('grows texts and thoughts over its chunks', () => {
    const { parts } = streamed(
      open({ text: 'h', thought: true }),
      open({ text: 'm', thought: true }),
      open({ text: 'a' }),
      response([{ text: 'b' }]),
    );
    expect(
      parts.map(({ content }) => (content.value && 'text' in content.value ? content.value.text : '')),
    ).toEqual(['hm', 'ab']);
  });

  test('joins sound whose pieces are padded', () => {
    const pieces = ['ab', 'cde', 'fghi', 'j'].map((piece) => Buffer.from(piece).toString('base64'));
    const chunks = pieces.map((data) => open({ inlineData: { mimeType: 'audio/L16', data } }));
    const { parts } = streamed(...chunks, response([]));
    expect(parts).toHaveLength(1);
    const value = parts[0]?.content.value as { source: { value: string } };
    expect(Buffer.from(value.source.value, 'base64').toString()).toBe('abcdefghij');
  });

  test('with a call stops for it though STOP comes later', () => {
    const { finish, native } = streamed(open({ functionCall: { name: 'f' } }), response([{ text: '' }]));
    expect([finish, native]).toEqual(['TOOL_CALLS', 'STOP']);
  });

  test('counts the tokens of its last chunk', () => {
    const { usage } = streamed(
      { ...open({ text: 'a' }), usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 1 } },
      { ...response([{ text: 'b' }]), usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2 } },
      { usageMetadata: { trafficType: 'x' } },
    );
    expect(usage).toMatchObject({ promptTokens: 3, completionTokens: 2, totalTokens: 5 });
  });

  test('keeps several candidates apart', () => {
    const chunk = (index: number, text: string, rest: Json = {}) => ({
      index,
      content: { parts: [{ text }] },
      ...rest,
    });
    const events = decodeChunks(
      { candidates: [chunk(0, 'a'), chunk(1, 'x')] },
      { candidates: [chunk(1, 'y', { finishReason: 'STOP' })] },
      { candidates: [chunk(0, 'b', { finishReason: 'MAX_TOKENS' })] },
    );
    const texts = ['', ''];
    for (const { event } of events) if (event.case === 'delta') texts[event.value.choice] += event.value.text;
    expect(texts).toEqual(['ab', 'xy']);
    const ends = events.flatMap(({ event }) =>
      event.case === 'choiceFinished' ? [[event.value.choice, FinishReason[event.value.finishReason]]] : [],
    );
    expect(ends).toEqual([
      [0, 'LENGTH'],
      [1, 'STOP'],
    ]);
  });

  test.each([
    ['without a finish reason', [open({ text: 'a' })]],
    [
      'with a candidate that has none',
      [{ candidates: [candidate([], { index: 0 }), { index: 1, content: { parts: [{ text: 'x' }] } }] }],
    ],
    ['with nothing', []],
    ['with counts only', [{ usageMetadata: { promptTokenCount: 1 } }]],
  ])('that ends %s was interrupted', (_what, chunks) => {
    expect(failure(() => decodeChunks(...chunks)).reason).toBe(ErrorReason.UPSTREAM_INTERRUPTED);
  });

  test('says nothing after its end', () => {
    const events = decodeChunks(response([{ text: 'a' }]), { usageMetadata: { promptTokenCount: 9 } });
    expect(events.filter(({ event }) => event.case === 'finished')).toHaveLength(1);
  });

  test('takes an error that is put as bare JSON where an event should be', () => {
    const error = { error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } };
    for (const text of [
      JSON.stringify(error),
      JSON.stringify([error], null, 2),
      `data: ${JSON.stringify(open({ text: 'a' }))}\n\n${JSON.stringify(error)}\n`,
    ]) {
      expect(failure(() => decodePieces([Buffer.from(text)])).reason).toBe(ErrorReason.UPSTREAM_OVERLOADED);
    }
  });

  test.each(['\n\n', '\r\r', '\r\n\r\n'])('may end its frames in %j', (end) => {
    const body = [open({ text: 'a' }), response([{ text: 'b' }])]
      .map((chunk) => `data: ${JSON.stringify(chunk)}${end}`)
      .join('');
    expect(textOf(assemble(decodePieces([Buffer.from(body)])).parts)).toBe('ab');
  });

  const metadata = {
    groundingMetadata: {
      groundingChunks: [{ web: { uri: 'https://a' } }],
      groundingSupports: [{ segment: { endIndex: 5 }, groundingChunkIndices: [0] }],
    },
  };
  const kindsAndSources = ({ parts }: Answer) =>
    parts.map(({ content }) =>
      content.case === 'text' ? `text ${content.value.annotations.length}` : content.case,
    );

  test('cites with its text, though sources come after the signature', () => {
    expect(
      kindsAndSources(streamed(open({ text: 'Spain ', thoughtSignature: 's' }), response([], metadata))),
    ).toEqual(['text 1', 'reasoning']);
  });

  test('cites after its text when something else has followed', () => {
    const chunks = [open({ text: 'Spain ' }), open({ functionCall: { name: 'f' } }), response([], metadata)];
    expect(kindsAndSources(streamed(...chunks))).toEqual(['text 0', 'toolCall', 'text 1']);
  });

  test('keeps signed thoughts apart', () => {
    const thought = (text: string, thoughtSignature: string) =>
      open({ text, thought: true, thoughtSignature });
    const { parts } = streamed(
      open({ text: 'h', thought: true }),
      thought('m', '1'),
      thought('so', '2'),
      response([{ text: 'a' }]),
    );
    expect(
      parts.map(
        ({ content }) => content.case === 'reasoning' && [content.value.text, content.value.signature],
      ),
    ).toEqual([['hm', '1'], ['so', '2'], false]);
  });

  test('keeps every signature, each after its text', () => {
    const signed = (text: string, thoughtSignature: string) => open({ text, thoughtSignature });
    const { parts } = streamed(
      signed('a', '1'),
      signed('b', '2'),
      signed('', '3'),
      response([{ text: 'c' }]),
    );
    const told = parts.map(({ content }) =>
      content.case === 'reasoning'
        ? content.value.signature
        : content.case === 'text'
          ? content.value.text
          : '',
    );
    expect(told).toEqual(['a', '1', 'b', '2', '3', 'c']);
  });
});

describe('any JSON', () => {
  const words = [
    'candidates',
    'content',
    'parts',
    'text',
    'thought',
    'thoughtSignature',
    'functionCall',
    'name',
    'args',
    'id',
    'inlineData',
    'mimeType',
    'data',
    'finishReason',
    'STOP',
    'groundingMetadata',
    'groundingChunks',
    'groundingSupports',
    'citationMetadata',
    'usageMetadata',
    'promptTokensDetails',
    'promptTokenCount',
    'logprobsResult',
    'chosenCandidates',
    'promptFeedback',
    'error',
    'index',
    'safetyRatings',
    'embeddings',
    'values',
    '__proto__',
  ];
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { maxDepth: 7 },
      fc.oneof(fc.constantFrom(...words), fc.jsonValue({ maxDepth: 1 })),
      fc.array(tie('json'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...words), tie('json'), { maxKeys: 6 }),
    ),
  }));
  const likely = fc.record({
    candidates: fc.array(
      fc.record({
        content: fc.record({ parts: fc.array(json, { maxLength: 4 }) }),
        finishReason: fc.constant('STOP'),
        groundingMetadata: json,
        citationMetadata: json,
        logprobsResult: json,
      }),
    ),
    usageMetadata: json,
  });

  test('is understood or refused', () => {
    let understood = 0;
    fc.assert(
      fc.property(fc.oneof(json, likely), (value) => {
        for (const decode of [
          unary,
          (v: unknown) => decodeChunks(v),
          (v: unknown) => decodeEmbeddings([v], 'm', 1, { provider: 'google' }),
        ]) {
          try {
            decode(JSON.parse(JSON.stringify(value)));
            understood++;
          } catch (error) {
            expect(error).toBeInstanceOf(GatewayError);
          }
        }
      }),
      { numRuns: 2_000 },
    );
    expect(understood).toBeGreaterThan(100);
  });
});
