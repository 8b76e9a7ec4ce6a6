import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import { type Message, type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { decodeCountTokens, encodeCountTokens } from '../../../src/codec/gemini/count-tokens.ts';
import { geminiDialect, vertexDialect } from '../../../src/codec/gemini/dialect.ts';
import { encodeEmbeddings } from '../../../src/codec/gemini/embeddings.ts';
import { skippedSignature } from '../../../src/codec/gemini/encode-parts.ts';
import { encodeGeminiRequest } from '../../../src/codec/gemini/encode-request.ts';
import { decodeChatRequest } from '../../../src/codec/openai-chat/decode-request.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import * as build from '../../../src/model/build.ts';

type Request = Parameters<typeof encodeGeminiRequest>[0];
type Rest = Parameters<typeof build.chatRequest>[2];

const dialect = 'google.gemini';
const flash = 'gemini-2.5-flash';
const third = 'gemini-3-flash-preview';

function encode(request: Request, model = flash, of = geminiDialect) {
  const { body, warnings } = encodeGeminiRequest(request, { model, dialect: of });
  return { json: JSON.parse(body), body, codes: warnings.map(({ code }) => code) };
}

const say = (text: string): Message => build.message(Role.USER, [build.textPart(text)]);
const ask = (messages: Message[], rest?: Rest): Request => build.chatRequest('m', messages, rest);
const contents = (messages: Message[], model?: string) => encode(ask(messages), model).json.contents;
const call = (id: string, name: string, args = '{}', signature = ''): Part =>
  build.part({ case: 'toolCall', value: build.toolCall(id, name, args, { signature }) });
const result = (id: string, parts: Part[], rest?: Parameters<typeof build.toolResult>[2]): Message =>
  build.message(Role.TOOL, [build.part({ case: 'toolResult', value: build.toolResult(id, parts, rest) })]);
const reasoning = (text: string, signature: string, format = 'google-gemini-v1'): Part =>
  build.part({ case: 'reasoning', value: build.reasoning(text, { signature, format }) });
const image = (url: string, mediaType = ''): Part =>
  build.part({ case: 'image', value: build.image({ case: 'url', value: url }, { mediaType }) });
const answer = (...parts: Part[]): Message => build.message(Role.ASSISTANT, parts);

describe('messages', () => {
  test('of the system at the beginning are the instruction', () => {
    const { json, codes } = encode(
      ask([
        build.message(Role.SYSTEM, [build.textPart('a')]),
        build.message(Role.DEVELOPER, [build.textPart('b')]),
        say('hi'),
      ]),
    );
    expect(json).toEqual({
      systemInstruction: { role: 'user', parts: [{ text: 'a' }, { text: 'b' }] },
      contents: [{ role: 'user', parts: [{ text: 'hi' }] }],
    });
    expect(codes).toEqual([]);
  });

  test('of the system later on stay where they are', () => {
    const messages = [
      say('hi'),
      answer(build.textPart('yes')),
      build.message(Role.SYSTEM, [build.textPart('s')]),
    ];
    const { json, codes } = encode(ask(messages));
    expect(json.contents.at(-1)).toEqual({ role: 'user', parts: [{ text: 's' }] });
    expect(json.systemInstruction).toBeUndefined();
    expect(codes).toEqual(['system_as_user']);
  });

  test('of the system alone are the question', () => {
    expect(contents([build.message(Role.SYSTEM, [build.textPart('s')])])).toEqual([
      { role: 'user', parts: [{ text: 's' }] },
    ]);
  });

  test('of one speaker that follow each other are one', () => {
    expect(
      contents([say('a'), say('b'), answer(build.textPart('c')), answer(build.textPart('d')), say('e')]),
    ).toEqual([
      { role: 'user', parts: [{ text: 'a' }, { text: 'b' }] },
      { role: 'model', parts: [{ text: 'c' }, { text: 'd' }] },
      { role: 'user', parts: [{ text: 'e' }] },
    ]);
  });

  test('with nothing in them are left out', () => {
    expect(contents([say('a'), answer(), answer(build.textPart('')), say('b')])).toEqual([
      { role: 'user', parts: [{ text: 'a' }, { text: 'b' }] },
    ]);
  });

  test('of the same beginning begin with the same bytes', () => {
    const messages = [
      build.message(Role.SYSTEM, [build.textPart('s')]),
      say('a'),
      answer(call('1', 'f', '{"b":1,"a":2}')),
      result('1', [build.textPart('r')]),
    ];
    const short = encode(ask(messages)).body;
    const long = encode(
      ask([
        ...messages,
        answer(build.textPart('x')),
        say('y'),
        build.message(Role.SYSTEM, [build.textPart('t')]),
      ]),
    ).body;
    expect(long.startsWith(short.slice(0, -2))).toBe(true);
  });
});

describe('pictures, sound and files', () => {
  const only = (part: Part, model?: string, of = geminiDialect) =>
    encode(ask([build.message(Role.USER, [part])]), model, of).json.contents[0].parts[0];

  test.each<[string, Part, unknown]>([
    [
      'a data: URL',
      image('data:image/png;base64,QUJD'),
      { inlineData: { mimeType: 'image/png', data: 'QUJD' } },
    ],
    [
      'a data: URL that is escaped',
      image('data:image/svg+xml,%3Csvg/%3E'),
      { inlineData: { mimeType: 'image/svg+xml', data: Buffer.from('<svg/>').toString('base64') } },
    ],
    [
      'a data: URL with parameters',
      image('data:image/png;a=b;base64,QUJD'),
      { inlineData: { mimeType: 'image/png;a=b', data: 'QUJD' } },
    ],
    [
      'bytes',
      build.part({
        case: 'image',
        value: build.image({ case: 'data', value: Buffer.from('ABC') }, { mediaType: 'image/png' }),
      }),
      { inlineData: { mimeType: 'image/png', data: 'QUJD' } },
    ],
    [
      'an https: URL',
      image('https://example.com/a.jpg?x=1'),
      { fileData: { fileUri: 'https://example.com/a.jpg?x=1', mimeType: 'image/jpeg' } },
    ],
    [
      'an https: URL with its type',
      image('https://example.com/a', 'image/webp'),
      { fileData: { fileUri: 'https://example.com/a', mimeType: 'image/webp' } },
    ],
    [
      'an https: URL of an unknown type',
      image('https://example.com/a'),
      { fileData: { fileUri: 'https://example.com/a' } },
    ],
    [
      'a gs:// address',
      image('gs://b/a.png'),
      { fileData: { fileUri: 'gs://b/a.png', mimeType: 'image/png' } },
    ],
    [
      'a file of the Files API',
      build.part({ case: 'file', value: build.file({ case: 'fileId', value: 'files/abc' }) }),
      { fileData: { fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/abc' } },
    ],
    [
      'YouTube',
      build.part({
        case: 'file',
        value: build.file({ case: 'url', value: 'https://www.youtube.com/watch?v=x' }),
      }),
      { fileData: { fileUri: 'https://www.youtube.com/watch?v=x', mimeType: 'video/mp4' } },
    ],
    [
      'sound',
      build.part({ case: 'audio', value: build.audio({ case: 'base64', value: 'QUJD' }, { format: 'mp3' }) }),
      { inlineData: { mimeType: 'audio/mp3', data: 'QUJD' } },
    ],
    [
      'sound in bytes',
      build.part({
        case: 'audio',
        value: build.audio({ case: 'data', value: Buffer.from('ABC') }, { format: 'pcm16' }),
      }),
      { inlineData: { mimeType: 'audio/l16;rate=24000', data: 'QUJD' } },
    ],
    [
      'a document in bytes',
      build.part({
        case: 'file',
        value: build.file({ case: 'data', value: Buffer.from('ABC') }, { mediaType: 'application/pdf' }),
      }),
      { inlineData: { mimeType: 'application/pdf', data: 'QUJD' } },
    ],
    [
      'a document as text',
      build.part({ case: 'file', value: build.file({ case: 'text', value: 'ABC' }) }),
      { inlineData: { mimeType: 'text/plain', data: 'QUJD' } },
    ],
  ])('%s', (_what, part, expected) => expect(only(part)).toEqual(expected));

  test.each<[string, Part, string]>([
    ['a plain http: URL', image('http://example.com/a.png'), flash],
    ['a file of this machine', image('file:///etc/passwd'), flash],
    ['an https: URL for an older model', image('https://example.com/a.png'), 'gemini-2.0-flash'],
    [
      "another provider's file",
      build.part({ case: 'file', value: build.file({ case: 'fileId', value: 'file-123' }) }),
      flash,
    ],
    [
      'bytes without a type',
      build.part({ case: 'image', value: build.image({ case: 'data', value: Buffer.from('A') }) }),
      flash,
    ],
    ['a data: URL without data', image('data:image/png;base64'), flash],
    ['a data: URL with a wrong escape', image('data:text/plain,%zz'), flash],
  ])('%s is refused with its place', (_what, part, model) => {
    const messages = [say('a'), build.message(Role.USER, [part])];
    const attempt = () => encode(ask(messages), model);
    expect(attempt).toThrow(GatewayError);
    expect(attempt).toThrow(/Invalid 'messages\[1\]': /);
  });

  test('an older model takes files of Google’s own stores', () => {
    const uri = 'https://generativelanguage.googleapis.com/v1beta/files/abc';
    expect(only(image(uri), 'gemini-2.0-flash')).toEqual({ fileData: { fileUri: uri } });
  });

  test('Vertex AI has to know the type', () => {
    expect(() => only(image('https://example.com/a'), flash, vertexDialect)).toThrow(/needs its media_type/);
  });

  test('are refused in system messages', () => {
    const messages = [build.message(Role.SYSTEM, [image('data:image/png;base64,QUJD')]), say('a')];
    expect(() => encode(ask(messages))).toThrow(/'messages\[0\]': Gemini takes only text/);
  });

  test('own members of a part go back into it', () => {
    const part = image('gs://b/a.png');
    part.extras = build.extras(dialect, '{"videoMetadata":{"fps":1},"fileData":{"displayName":"n"}}');
    expect(only(part)).toEqual({
      fileData: { fileUri: 'gs://b/a.png', mimeType: 'image/png', displayName: 'n' },
      videoMetadata: { fps: 1 },
    });
  });
});

describe('calls and results', () => {
  const loop = (...results: Message[]) => [
    say('q'),
    answer(call('1', 'f', '{"a": 1}', 'sig'), call('2', 'g')),
    ...results,
  ];

  test('keep arguments byte for byte, ids and the signature of the first', () => {
    const { body, json } = encode(
      ask(loop(result('1', [build.textPart('5')]), result('2', [build.textPart('{"x": 1}')]))),
    );
    expect(body).toContain('"args":{"a": 1}');
    expect(body).toContain('"response":{"x": 1}');
    expect(json.contents.slice(1)).toEqual([
      {
        role: 'model',
        parts: [
          { functionCall: { id: '1', name: 'f', args: { a: 1 } }, thoughtSignature: 'sig' },
          { functionCall: { id: '2', name: 'g', args: {} } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { id: '1', name: 'f', response: { result: '5' } } },
          { functionResponse: { id: '2', name: 'g', response: { x: 1 } } },
        ],
      },
    ]);
  });

  test('have no ids on older Vertex AI', () => {
    const { body } = encode(ask(loop(result('1', [build.textPart('5')]))), flash, vertexDialect);
    expect(body).not.toContain('"id"');
  });

  test.each<[string, Part[], boolean, unknown]>([
    ['text', [build.textPart('t')], false, { result: 't' }],
    ['a list', [build.textPart('[1]')], false, { result: '[1]' }],
    ['broken JSON', [build.textPart('{"a":')], false, { result: '{"a":' }],
    ['nothing', [], false, { result: '' }],
    ['several texts', [build.textPart('a'), build.textPart('b')], false, { result: 'a\nb' }],
    ['an error', [build.textPart('t')], true, { error: 't' }],
    ['an error with members', [build.textPart('{"a":1}')], true, { error: { a: 1 } }],
  ])('a result that is %s is an object', (_what, parts, isError, response) => {
    const [, , { parts: sent }] = contents(loop(result('1', parts, { isError })));
    expect(sent[0].functionResponse.response).toEqual(response);
  });

  test('a result without a name that can be known is refused', () => {
    expect(() => encode(ask([say('q'), result('9', [build.textPart('t')])]))).toThrow(
      /'messages\[1\]': Gemini matches results by the tool's name, and no earlier call has the id "9"/,
    );
  });

  test('a result may name its tool itself, and a legacy one does', () => {
    const legacy = build.message(
      Role.FUNCTION,
      [build.part({ case: 'toolResult', value: build.toolResult('', [build.textPart('t')]) })],
      { name: 'f' },
    );
    const sent = contents([say('q'), result('9', [build.textPart('t')], { name: 'f' }), legacy]);
    expect(sent[1].parts).toEqual([
      { functionResponse: { id: '9', name: 'f', response: { result: 't' } } },
      { functionResponse: { name: 'f', response: { result: 't' } } },
    ]);
  });

  test('what the user says next stays apart from results', () => {
    expect(
      contents([...loop(result('1', [build.textPart('5')])), say('and?')]).map(
        ({ role }: { role: string }) => role,
      ),
    ).toEqual(['user', 'model', 'user', 'user']);
  });

  test('a call and its result in one answer stay in order', () => {
    const both = answer(
      call('1', 'f'),
      build.part({ case: 'toolResult', value: build.toolResult('1', [build.textPart('t')]) }),
    );
    expect(contents([say('q'), both]).slice(1)).toEqual([
      { role: 'model', parts: [{ functionCall: { id: '1', name: 'f', args: {} } }] },
      { role: 'user', parts: [{ functionResponse: { id: '1', name: 'f', response: { result: 't' } } }] },
    ]);
  });

  test('pictures of results follow the last one, and are within them from Gemini 3 on', () => {
    const results = [
      result('1', [build.textPart('t'), image('data:image/png;base64,QUJD')]),
      result('2', [build.textPart('u')]),
    ];
    const inlineData = { mimeType: 'image/png', data: 'QUJD' };
    expect(contents(loop(...results)).slice(2)).toEqual([
      {
        role: 'user',
        parts: [
          { functionResponse: { id: '1', name: 'f', response: { result: 't' } } },
          { functionResponse: { id: '2', name: 'g', response: { result: 'u' } } },
        ],
      },
      { role: 'user', parts: [{ inlineData }] },
    ]);
    expect(contents(loop(...results), third)[2].parts[0]).toEqual({
      functionResponse: { id: '1', name: 'f', response: { result: 't' }, parts: [{ inlineData }] },
    });
  });

  test('pictures of results come before what is said next', () => {
    const picture = result('1', [image('data:image/png;base64,QUJD')]);
    const [, , , ...after] = contents([...loop(picture), say('and?'), answer(build.textPart('yes'))]);
    const inlineData = { mimeType: 'image/png', data: 'QUJD' };
    expect(after).toEqual([
      { role: 'user', parts: [{ inlineData }, { text: 'and?' }] },
      { role: 'model', parts: [{ text: 'yes' }] },
    ]);
    expect(contents([...loop(picture), answer(build.textPart('yes'))]).slice(3)).toEqual([
      { role: 'user', parts: [{ inlineData }] },
      { role: 'model', parts: [{ text: 'yes' }] },
    ]);
  });

  test.each(['not JSON', '[1]', '5'])('arguments that are %s are sent in an object', (args) => {
    const { json, codes } = encode(ask([say('q'), answer(call('1', 'f', args))]));
    expect(json.contents[1].parts[0].functionCall.args).toEqual({ invalid_arguments: args });
    expect(codes).toEqual(['wrapped_arguments']);
  });
});

describe('thought signatures', () => {
  const parts = (model: string, ...given: Part[]) => contents([say('q'), answer(...given)], model)[1]?.parts;

  test('of a text or a picture go back on it', () => {
    expect(
      parts(
        flash,
        build.textPart('a'),
        reasoning('', 's'),
        image('data:image/png;base64,QUJD'),
        reasoning('', 't'),
      ),
    ).toEqual([
      { text: 'a', thoughtSignature: 's' },
      { inlineData: { mimeType: 'image/png', data: 'QUJD' }, thoughtSignature: 't' },
    ]);
  });

  test('before a text, as OpenAI’s form has them, go on the text', () => {
    expect(parts(flash, reasoning('', 's'), build.textPart('a'))).toEqual([
      { text: 'a', thoughtSignature: 's' },
    ]);
  });

  test('of a thought go on an empty text in its place: what follows has its own or none', () => {
    const functionCall = { id: '1', name: 'f', args: {} };
    const thought = { text: '', thoughtSignature: 's' };
    expect(parts(flash, reasoning('hm', 's'), call('1', 'f'))).toEqual([thought, { functionCall }]);
    expect(parts(flash, reasoning('hm', 's'), build.textPart('a'))).toEqual([thought, { text: 'a' }]);
    expect(parts(flash, reasoning('hm', 's'), reasoning('so', 't'), build.textPart('a'))).toEqual([
      thought,
      { text: '', thoughtSignature: 't' },
      { text: 'a' },
    ]);
    expect(
      parts(
        flash,
        reasoning('hm', 's'),
        build.textPart('a'),
        reasoning('', 't'),
        call('1', 'f', '{}', 'u'),
        call('2', 'f'),
      ),
    ).toEqual([
      thought,
      { text: 'a', thoughtSignature: 't' },
      { functionCall, thoughtSignature: 'u' },
      { functionCall: { ...functionCall, id: '2' } },
    ]);
  });

  test('that wait for a text do not go on a picture', () => {
    const picture = image('data:image/png;base64,QUJD');
    const inlineData = { mimeType: 'image/png', data: 'QUJD' };
    expect(parts(flash, reasoning('', 's'), picture, reasoning('', 't'))).toEqual([
      { text: '', thoughtSignature: 's' },
      { inlineData, thoughtSignature: 't' },
    ]);
  });

  test('that wait for a text do not go on a call or on code', () => {
    const code = { executableCode: { language: 'PYTHON', code: '1' } };
    const ran = build.part({
      case: 'opaque',
      value: build.opaque('google.gemini', 'executableCode', JSON.stringify(code)),
    });
    const waiting = { text: '', thoughtSignature: 's' };
    expect(parts(flash, reasoning('', 's'), call('1', 'f'))).toEqual([
      waiting,
      { functionCall: { id: '1', name: 'f', args: {} } },
    ]);
    expect(parts(flash, reasoning('', 's'), ran, build.textPart('a'))).toEqual([
      waiting,
      code,
      { text: 'a' },
    ]);
  });

  test('of calls and pictures that are not there are left out with a warning', () => {
    const lost = build.part({
      case: 'reasoning',
      value: build.reasoning('', { encrypted: 's', id: 'image:0', format: 'google-gemini-v1' }),
    });
    const { json, codes } = encode(ask([say('q'), answer(lost, build.textPart('a'))]));
    expect(json.contents[1].parts).toEqual([{ text: 'a' }]);
    expect(codes).toEqual(['dropped_reasoning_state']);
  });

  test('after a call do not go on it', () => {
    const functionCall = { id: '1', name: 'f', args: {} };
    expect(parts(flash, call('1', 'f'), reasoning('', 's'))).toEqual([
      { functionCall },
      { text: '', thoughtSignature: 's' },
    ]);
    expect(parts(flash, call('1', 'f'), reasoning('', 's'), build.textPart('a'))).toEqual([
      { functionCall },
      { text: 'a', thoughtSignature: 's' },
    ]);
  });

  test('alone go on an empty text', () => {
    expect(parts(flash, reasoning('', 's'))).toEqual([{ text: '', thoughtSignature: 's' }]);
    expect(parts(flash, reasoning('', 's'), reasoning('', 't'))).toEqual([
      { text: '', thoughtSignature: 's' },
      { text: '', thoughtSignature: 't' },
    ]);
  });

  test('survive a client of OpenAI’s form', () => {
    const { request } = decodeChatRequest({
      model: 'm',
      messages: [
        { role: 'user', content: 'q' },
        {
          role: 'assistant',
          content: 'a',
          reasoning_content: 'hm',
          reasoning_details: [
            { type: 'reasoning.text', text: '', signature: 's', format: 'google-gemini-v1', index: 0 },
            { type: 'reasoning.encrypted', data: 'c', format: 'google-gemini-v1', id: '1', index: 1 },
          ],
          tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: '1', content: 'r' },
      ],
    });
    expect(encode(request).json.contents[1].parts).toEqual([
      { text: 'a', thoughtSignature: 's' },
      { functionCall: { id: '1', name: 'f', args: {} }, thoughtSignature: 'c' },
    ]);
  });

  test('are not needed before Gemini 3', () => {
    const { json, codes } = encode(ask([say('q'), answer(call('1', 'f'))]));
    expect(json.contents[1].parts[0].thoughtSignature).toBeUndefined();
    expect(codes).toEqual([]);
  });

  test.each([third, 'models/gemini-3.1-pro-preview', 'gemini-flash-latest', 'gemini-4-argon'])(
    'that are missing on the first call of an answer are replaced by the documented value for %s',
    (model) => {
      const messages = [
        say('q'),
        answer(call('1', 'f'), call('2', 'g')),
        result('1', []),
        result('2', []),
        answer(call('3', 'f', '{}', 'own')),
      ];
      const { json, codes } = encode(ask(messages), model);
      expect(
        json.contents[1].parts.map((part: { thoughtSignature?: string }) => part.thoughtSignature),
      ).toEqual([skippedSignature, undefined]);
      expect(json.contents[3].parts[0].thoughtSignature).toBe('own');
      expect(codes).toEqual(['missing_thought_signature']);
    },
  );

  test('of other providers are not sent', () => {
    const { json, codes } = encode(
      ask([say('q'), answer(reasoning('hm', 's', 'anthropic-claude-v1'), build.textPart('a'))]),
    );
    expect(json.contents[1].parts).toEqual([{ text: 'a' }]);
    expect(codes).toEqual(['dropped_reasoning_state']);
  });
});

describe('tools', () => {
  const f = build.tool({
    case: 'function',
    value: build.functionTool('f', {
      description: 'd',
      parametersJson: '{"type":"object","properties":{"a":{"type":"string"}}}',
    }),
  });
  const g = build.tool({ case: 'function', value: build.functionTool('g') });
  const search = build.tool({
    case: 'hosted',
    value: build.opaque(dialect, 'googleSearch', '{"googleSearch":{}}'),
  });

  test('are functions in one item, and those of Gemini’s own', () => {
    expect(encode(ask([say('q')], { tools: [f, search, g] })).json.tools).toEqual([
      {
        functionDeclarations: [
          {
            name: 'f',
            description: 'd',
            parameters: { type: 'OBJECT', properties: { a: { type: 'STRING' } } },
          },
          { name: 'g' },
        ],
      },
      { googleSearch: {} },
    ]);
  });

  test('a tool with free text is refused with its place', () => {
    const tool = build.tool({ case: 'custom', value: build.customTool('c') });
    expect(() => encode(ask([say('q')], { tools: [f, tool] }))).toThrow(/Unsupported 'tools\[1\]': Gemini/);
  });

  test.each<[string, ReturnType<typeof build.toolChoice>, unknown]>([
    ['auto', build.toolChoice(ToolChoice_Mode.AUTO), { mode: 'AUTO' }],
    ['none', build.toolChoice(ToolChoice_Mode.NONE), { mode: 'NONE' }],
    ['required', build.toolChoice(ToolChoice_Mode.REQUIRED), { mode: 'ANY' }],
    [
      'named',
      build.toolChoice(ToolChoice_Mode.NAMED, { name: 'f' }),
      { mode: 'ANY', allowedFunctionNames: ['f'] },
    ],
    [
      'allowed',
      build.toolChoice(ToolChoice_Mode.ALLOWED, {
        allowedJson: '[{"type":"function","function":{"name":"f"}}]',
      }),
      { mode: 'VALIDATED', allowedFunctionNames: ['f'] },
    ],
    [
      'allowed and required',
      build.toolChoice(ToolChoice_Mode.ALLOWED, {
        allowedRequired: true,
        allowedJson: '[{"type":"function","name":"f"}]',
      }),
      { mode: 'ANY', allowedFunctionNames: ['f'] },
    ],
  ])('may be chosen: %s', (_what, toolChoice, functionCallingConfig) => {
    expect(encode(ask([say('q')], { tools: [f], toolChoice })).json.toolConfig).toEqual({
      functionCallingConfig,
    });
  });

  test('that are allowed have to be functions', () => {
    const toolChoice = build.toolChoice(ToolChoice_Mode.ALLOWED, { allowedJson: '[{"type":"mcp"}]' });
    expect(() => encode(ask([say('q')], { tools: [f], toolChoice }))).toThrow(/Unsupported 'tool_choice'/);
  });

  const json = build.responseFormat({
    case: 'jsonObject',
    value: { $typeName: 'llmgateway.v1.JsonObjectFormat' },
  });

  test('together with an answer in JSON are refused by models that refuse them', () => {
    const request = ask([say('q')], { tools: [f], parameters: build.parameters({ responseFormat: json }) });
    expect(() => encode(request)).toThrow(
      /Unsupported 'response_format': this model takes no tools together with an answer in JSON/,
    );
    expect(encode(request, third).json).toMatchObject({
      tools: [{}],
      generationConfig: { responseMimeType: 'application/json' },
    });
    request.toolChoice = build.toolChoice(ToolChoice_Mode.NONE);
    const { json: sent } = encode(request);
    expect([sent.tools, sent.toolConfig]).toEqual([undefined, undefined]);
  });
});

describe('parameters', () => {
  const config = (rest: Parameters<typeof build.parameters>[0], model = flash) => {
    const { json, codes } = encode(ask([say('q')], { parameters: build.parameters(rest) }), model);
    return { config: json.generationConfig, codes, json };
  };

  test('have Gemini’s names', () => {
    const all = config({
      temperature: 0,
      topP: 0.5,
      topK: 4,
      maxOutputTokens: 5,
      n: 2,
      stop: ['x'],
      presencePenalty: 0.1,
      frequencyPenalty: -0.1,
      seed: 7,
      logprobs: true,
      topLogprobs: 3,
    });
    expect(all.config).toEqual({
      temperature: 0,
      topP: 0.5,
      topK: 4,
      maxOutputTokens: 5,
      candidateCount: 2,
      stopSequences: ['x'],
      presencePenalty: 0.1,
      frequencyPenalty: -0.1,
      seed: 7,
      responseLogprobs: true,
      logprobs: 3,
    });
    expect(all.codes).toEqual([]);
  });

  test('that are not set are not sent', () =>
    expect(config({}).json).toEqual({ contents: [{ role: 'user', parts: [{ text: 'q' }] }] }));

  test('a seed of more than 32 bits is left out and reported', () => {
    expect(config({ seed: 2 ** 40 })).toMatchObject({ config: undefined, codes: ['dropped_seed'] });
  });

  test('an answer in JSON by a schema', () => {
    const value = build.jsonSchemaFormat('n', {
      schemaJson: '{"type":"object","properties":{"a":{"type":"string"}}}',
    });
    expect(config({ responseFormat: build.responseFormat({ case: 'jsonSchema', value }) }).config).toEqual({
      responseMimeType: 'application/json',
      responseJsonSchema: { type: 'object', properties: { a: { type: 'string' } } },
    });
  });

  test('a form of Gemini’s own goes as it is, another provider’s is refused', () => {
    const own = build.opaque(
      dialect,
      'enum',
      '{"responseMimeType":"text/x.enum","responseSchema":{"type":"STRING"}}',
    );
    expect(config({ responseFormat: build.responseFormat({ case: 'opaque', value: own }) }).config).toEqual(
      JSON.parse(own.json),
    );
    const other = build.opaque('openai.chat', 'grammar', '{}');
    expect(() => config({ responseFormat: build.responseFormat({ case: 'opaque', value: other }) })).toThrow(
      /Unsupported 'response_format'/,
    );
  });

  test('speech', () => {
    expect(
      config({ modalities: ['text', 'audio'], audioJson: '{"voice":"Kore","format":"pcm16"}' }).config,
    ).toEqual({
      responseModalities: ['TEXT', 'AUDIO'],
      speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: 'Kore' } } },
    });
    expect(config({ modalities: ['text'] }).config).toBeUndefined();
    expect(() => config({ audioJson: '{"voice":"Kore","format":"mp3"}' })).toThrow(/'audio.format'/);
  });

  test.each<[string, string, unknown, string[]]>([
    [flash, 'low', { includeThoughts: true, thinkingBudget: 1_024 }, []],
    [flash, 'minimal', { includeThoughts: true, thinkingBudget: 1_024 }, []],
    [flash, 'medium', { includeThoughts: true, thinkingBudget: 8_192 }, []],
    [flash, 'high', { includeThoughts: true, thinkingBudget: 24_576 }, []],
    [flash, 'max', { includeThoughts: true, thinkingBudget: 24_576 }, []],
    ['gemini-2.5-pro', 'xhigh', { includeThoughts: true, thinkingBudget: 32_768 }, []],
    [flash, 'none', { thinkingBudget: 0 }, []],
    ['gemini-2.5-pro', 'none', { thinkingBudget: 128 }, ['reasoning_not_off']],
    [third, 'minimal', { includeThoughts: true, thinkingLevel: 'MINIMAL' }, []],
    ['gemini-3.1-pro', 'minimal', { includeThoughts: true, thinkingLevel: 'LOW' }, []],
    [third, 'low', { includeThoughts: true, thinkingLevel: 'LOW' }, []],
    [third, 'medium', { includeThoughts: true, thinkingLevel: 'MEDIUM' }, []],
    ['gemini-3-pro-preview', 'medium', { includeThoughts: true, thinkingLevel: 'HIGH' }, []],
    [third, 'xhigh', { includeThoughts: true, thinkingLevel: 'HIGH' }, []],
    [third, 'none', { thinkingLevel: 'MINIMAL' }, ['reasoning_not_off']],
    [third, 'odd', undefined, ['dropped_reasoning_effort']],
    [flash, 'odd', undefined, ['dropped_reasoning_effort']],
    ['gemini-2.0-flash', 'low', undefined, ['dropped_reasoning_effort']],
    ['gemma-3-27b-it', 'low', undefined, ['dropped_reasoning_effort']],
  ])('%s thinks with effort %s', (model, reasoningEffort, thinking, warned) => {
    const { config: sent, codes } = config({ reasoningEffort }, model);
    expect([sent?.thinkingConfig, codes]).toEqual([thinking, warned]);
  });

  test.each([
    [100, 'gemini-2.5-pro', 128],
    [100, 'gemini-2.5-flash-lite', 512],
    [30_000, 'gemini-2.5-flash', 24_576],
    [99_000, third, 32_768],
  ])('a budget of %i tokens is for %s one of %i, and that is said', (reasoningBudgetTokens, model, taken) => {
    const { config: sent, codes } = config({ reasoningBudgetTokens }, model);
    expect(sent.thinkingConfig).toEqual({ includeThoughts: true, thinkingBudget: taken });
    expect(codes).toEqual(['changed_reasoning_budget']);
  });

  test('a budget wins over an effort', () => {
    expect(config({ reasoningEffort: 'high', reasoningBudgetTokens: 128 }).config.thinkingConfig).toEqual({
      includeThoughts: true,
      thinkingBudget: 128,
    });
    expect(config({ reasoningBudgetTokens: 128 }, 'gemini-2.0-flash').codes).toEqual([
      'dropped_reasoning_budget',
    ]);
  });

  test.each([
    ['auto', undefined, []],
    ['default', 'standard', []],
    ['flex', 'flex', []],
    ['priority', 'priority', []],
    ['scale', undefined, ['dropped_service_tier']],
  ] as const)('tier %s', (serviceTier, tier, warned) => {
    const { json, codes } = config({ serviceTier });
    expect([json.serviceTier, codes]).toEqual([tier, warned]);
  });

  test('what the client says in Gemini’s own words wins', () => {
    const own = {
      safetySettings: [{ category: 'c', threshold: 't' }],
      cachedContent: 'cachedContents/1',
      generationConfig: {
        temperature: 1,
        mediaResolution: 'LOW',
        thinkingConfig: { includeThoughts: false },
      },
    };
    const parameters = build.parameters({ temperature: 0, topK: 1, reasoningBudgetTokens: 5 });
    const { json, body } = encode(
      ask([say('q')], { parameters, extras: build.extras(dialect, JSON.stringify(own)) }),
    );
    expect(json).toEqual({
      contents: [{ role: 'user', parts: [{ text: 'q' }] }],
      safetySettings: own.safetySettings,
      cachedContent: 'cachedContents/1',
      generationConfig: {
        temperature: 1,
        topK: 1,
        mediaResolution: 'LOW',
        thinkingConfig: { includeThoughts: false, thinkingBudget: 5 },
      },
    });
    expect(body.match(/temperature/g)).toHaveLength(1);
  });

  test('what has no place is reported', () => {
    const part = build.textPart('a', {
      annotations: [build.annotation({ case: 'urlCitation', value: build.urlCitation({ url: 'u' }) })],
    });
    part.cacheBreakpoint = build.cacheBreakpoint();
    const odd = build.part({ case: 'opaque', value: build.opaque('openai.chat', 'x', '{}') });
    const { codes } = encode(
      ask([build.message(Role.USER, [part, odd], { name: 'bob' })], {
        extras: build.extras('openai.chat', '{"a":1}'),
      }),
    );
    expect(codes.sort()).toEqual([
      'dropped_annotations',
      'dropped_cache_breakpoint',
      'dropped_extras',
      'dropped_name',
      'dropped_part',
    ]);
  });
});

describe('any request of OpenAI’s form', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom('', '{}', '{"a":1}', 'data:image/png;base64,QQ==', 'https://e.com/a.png', 'null'),
  );
  const part = fc.oneof(
    fc.record({ type: fc.constant('text'), text: word }),
    fc.record({ type: fc.constant('image_url'), image_url: fc.record({ url: fc.string({ minLength: 1 }) }) }),
    fc.record({
      type: fc.constant('input_audio'),
      input_audio: fc.record({ data: word, format: fc.constantFrom('wav', 'x') }),
    }),
    fc.record({ type: fc.constant('file'), file: fc.record({ file_id: fc.string({ minLength: 1 }) }) }),
  );
  const message = fc.oneof(
    fc.record({
      role: fc.constantFrom('user', 'system', 'developer'),
      content: fc.oneof(word, fc.array(part, { maxLength: 3 })),
    }),
    fc.record({
      role: fc.constant('assistant'),
      content: fc.option(word),
      tool_calls: fc.array(
        fc.record({
          id: fc.constantFrom('a', 'b'),
          type: fc.constant('function'),
          function: fc.record({ name: fc.constant('f'), arguments: word }),
        }),
        { minLength: 1, maxLength: 2 },
      ),
    }),
    fc.record({ role: fc.constant('tool'), tool_call_id: fc.constantFrom('a', 'b', 'c'), content: word }),
  );

  test('becomes JSON or is refused', () => {
    let encoded = 0;
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 6 }),
        fc.constantFrom(flash, third, 'gemini-2.0-flash'),
        (messages, model) => {
          try {
            const { request } = decodeChatRequest({ model: 'm', messages });
            const { json } = encode(request, model);
            encoded++;
            for (const content of json.contents) expect(content.parts.length).toBeGreaterThan(0);
          } catch (error) {
            expect(error).toBeInstanceOf(GatewayError);
          }
        },
      ),
      { numRuns: 1_000 },
    );
    expect(encoded).toBeGreaterThan(50);
  });
});

describe('counts and vectors', () => {
  test('the request to count is the request itself', () => {
    expect(JSON.parse(encodeCountTokens('{"contents":[]}', 'models/m'))).toEqual({
      generateContentRequest: { model: 'models/m', contents: [] },
    });
    expect(encodeCountTokens('{"contents":[]}', null)).toBe('{"contents":[]}');
    expect(decodeCountTokens({ totalTokens: 31 }, 'google')).toBe(31);
    for (const odd of [null, {}, { totalTokens: '3' }, [], { totalTokens: -1 }])
      expect(() => decodeCountTokens(odd, 'google')).toThrow(GatewayError);
  });

  type Inputs = Parameters<typeof encodeEmbeddings>[0]['inputs'];
  const embed = (inputs: Inputs, rest: object = {}) =>
    encodeEmbeddings(
      {
        $typeName: 'llmgateway.v1.CreateEmbeddingsRequest',
        model: 'm',
        inputs,
        taskType: '',
        user: '',
        ...rest,
      },
      'models/m',
    );
  const text = (value: string): Inputs[number] => ({
    $typeName: 'llmgateway.v1.EmbeddingInput',
    content: { case: 'text', value },
  });

  test('a request for vectors says what they are for and how long', () => {
    const { bodies, warnings } = embed([text('a')], {
      taskType: 'RETRIEVAL_QUERY',
      dimensions: 5,
      user: 'u',
      extras: build.extras(dialect, '{"title":"t"}'),
    });
    expect(bodies.map((body) => JSON.parse(body))).toEqual([
      {
        requests: [
          {
            model: 'models/m',
            content: { parts: [{ text: 'a' }] },
            taskType: 'RETRIEVAL_QUERY',
            outputDimensionality: 5,
            title: 't',
          },
        ],
      },
    ]);
    expect(warnings.map(({ code }) => code)).toEqual(['dropped_user']);
  });

  test('many texts go in batches of a hundred', () => {
    const { bodies } = embed(Array.from({ length: 201 }, (_, i) => text(String(i))));
    expect(bodies.map((body) => JSON.parse(body).requests.length)).toEqual([100, 100, 1]);
  });

  test('tokens are refused by name', () => {
    const tokens: Inputs[number] = {
      $typeName: 'llmgateway.v1.EmbeddingInput',
      content: { case: 'tokens', value: { $typeName: 'llmgateway.v1.TokenIds', ids: [1] } },
    };
    expect(() => embed([text('a'), tokens])).toThrow(
      /Invalid 'inputs\[1\]': Gemini embeds texts, not tokens/,
    );
  });
});
