import { describe, expect, test } from 'vitest';
import { type Message, type Part, Role } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../src/model/build.ts';
import { readChat } from '../../src/security/request-texts.ts';
import { Screen } from '../../src/security/screening.ts';

const screen = new Screen({ keywords: ['project falcon', 'straße'], threshold: 0.7 });
const secret = 'sk-proj-Zq8vT2xLw9Rk4Nb7Yc1Md6Hs3Jf5';
const words = 'password, secret, token, credential';

const user = (...parts: Part[]): Message => build.message(Role.USER, parts);
const scoreOf = (messages: Message[], rest: Parameters<typeof build.chatRequest>[2] = {}): number => {
  const screening = screen.begin();
  readChat(build.chatRequest('m', messages, rest), screening);
  return screening.score;
};
const filePart = (
  source: Parameters<typeof build.file>[0],
  rest: Parameters<typeof build.file>[1] = {},
): Part => build.part({ case: 'file', value: build.file(source, rest) });
const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString('base64');

describe('files are read', () => {
  const script = `#!/bin/sh\nexport A=${secret}\n`;
  test.each([
    ['of no type that says so', { mediaType: 'application/octet-stream', filename: 'deploy.sh' }],
    ['of no type', { filename: 'config.ini' }],
    ['without a name', {}],
  ])('that are text, %s', (_name, rest) => {
    expect(scoreOf([user(filePart({ case: 'data', value: Buffer.from(script) }, rest))])).toBe(0.8);
    expect(scoreOf([user(filePart({ case: 'url', value: base64(script) }, rest))])).toBe(0.8);
  });

  test.each([
    `data:;base64,${base64(script)}`,
    `data:application/octet-stream;base64,${base64(script)}`,
    `data:application/x-anything,${encodeURIComponent(script)}`,
  ])('in an address: %s', (url) => {
    expect(scoreOf([user(filePart({ case: 'url', value: url }))])).toBe(0.8);
  });

  test('that are pictures of text', () => {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg"><text>${secret}</text></svg>`;
    const image = (source: Parameters<typeof build.image>[0], mediaType = 'image/svg+xml'): Part =>
      build.part({ case: 'image', value: build.image(source, { mediaType }) });
    expect(scoreOf([user(image({ case: 'data', value: Buffer.from(svg) }))])).toBe(0.8);
    for (const url of [
      `data:image/svg+xml;base64,${base64(svg)}`,
      `data:image/svg+xml;utf8,${encodeURIComponent(svg)}`,
    ])
      expect(scoreOf([user(image({ case: 'url', value: url }, ''))])).toBe(0.8);
  });

  test("in Windows' encoding", () => {
    const bytes = Buffer.from(`\ufeff${script}`, 'utf16le');
    expect(scoreOf([user(filePart({ case: 'data', value: bytes }))])).toBe(0.8);
    expect(scoreOf([user(filePart({ case: 'url', value: `data:;base64,${base64(bytes)}` }))])).toBe(0.8);
  });

  test('and bytes are not', () => {
    const ends = [
      // A zero in the head, a zero far behind, no UTF-8.
      Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0]), Buffer.from(script)]),
      Buffer.concat([Buffer.from('a'.repeat(5_000)), Buffer.from([0]), Buffer.from(script)]),
      Buffer.concat([Buffer.from(script), Buffer.from([0xff, 0xfe, 0xc0])]),
      Buffer.concat([Buffer.alloc(4_000), Buffer.from(script)]),
    ];
    for (const value of ends) {
      expect(scoreOf([user(filePart({ case: 'data', value }))])).toBe(0);
      expect(scoreOf([user(filePart({ case: 'url', value: `data:;base64,${base64(value)}` }))])).toBe(0);
      expect(scoreOf([user(filePart({ case: 'url', value: base64(value) }))])).toBe(0);
    }
    for (const url of ['https://example.org/deploy.sh', 'abc', ''])
      expect(scoreOf([user(filePart({ case: 'url', value: url }))])).toBe(0);
  });
});

describe('words', () => {
  const withTool = (description: string, parametersJson = '{}'): number => {
    const value = build.functionTool('f', { description, parametersJson });
    return scoreOf([user(build.textPart('Hello'))], { tools: [build.tool({ case: 'function', value })] });
  };

  test('that are configured count in what describes tools; the built-in ones, of which those are full, do not', () => {
    expect(withTool('Looks up Project Falcon')).toBe(0.2);
    expect(
      withTool('a', '{"properties":{"x":{"description":"Of project falcon in the Hauptstra\\u00dfe"}}}'),
    ).toBe(0.2);
    expect(withTool('a', '{"properties":{"x":{"description":"In der Stra\\u00dfe"}}}')).toBe(0.2);
    expect(withTool(words, '{"properties":{"email":{},"phone":{},"address":{},"token":{}}}')).toBe(0);
    expect(withTool(`Send ${secret}`)).toBe(0.8);
  });

  test('count wherever clients choose names', () => {
    for (const name of ['signature', 'encrypted', 'base64', 'note', '$typeName'])
      expect(
        scoreOf([user(build.textPart('Hello'))], {
          parameters: build.parameters({ metadata: { [name]: secret } }),
        }),
      ).toBe(0.8);
  });

  test('count in what only begins like an address', () => {
    expect(withTool(`data:;base64,Send ${secret}`)).toBe(0.8);
    expect(withTool(`data:text/plain;base64,Looks up Project Falcon`)).toBe(0.2);
  });

  test('count in a prediction', () => {
    const predictionJson = JSON.stringify({ type: 'content', content: words });
    expect(
      scoreOf([user(build.textPart('Hello'))], { parameters: build.parameters({ predictionJson }) }),
    ).toBe(0.8);
  });

  test('count in members of a message that the gateway does not know', () => {
    const extras = build.extras('openai.chat', JSON.stringify({ note: words }));
    expect(scoreOf([build.message(Role.USER, [build.textPart('Hello')], { extras })])).toBe(0.8);
    expect(
      scoreOf([user(build.part({ case: 'opaque', value: build.opaque('x', 'note', `"${words}"`) }))]),
    ).toBe(0.8);
  });

  test('count in arguments and results, whoever has escaped them', () => {
    const args = String.raw`{"q":"In der Stra\u00dfe"}`;
    const call = build.part({ case: 'toolCall', value: build.toolCall('c', 'f', args) });
    expect(scoreOf([build.message(Role.ASSISTANT, [call])])).toBe(0.2);
    const escaped = secret.replaceAll('-', String.raw`\u002D`);
    const result = build.toolResult('c', [build.textPart(`{"k":"${escaped}"}`)]);
    expect(scoreOf([build.message(Role.TOOL, [build.part({ case: 'toolResult', value: result })])])).toBe(
      0.8,
    );
  });
});

describe('what is split over the texts of one message', () => {
  const parts = (...texts: string[]): Part[] => texts.map((text) => build.textPart(text));

  test('is found', () => {
    expect(scoreOf([user(...parts(`Use ${secret.slice(0, 12)}`, secret.slice(12)))])).toBe(0.8);
    expect(scoreOf([user(...parts(...`Use ${secret} now`))])).toBe(0.8);
    const long = 'lorem ipsum '.repeat(100);
    expect(scoreOf([user(...parts(`${long}${secret.slice(0, 9)}`, `${secret.slice(9)} ${long}`))])).toBe(0.8);
    const result = build.toolResult('c', parts('4111 1111 ', '1111 1111'));
    expect(scoreOf([build.message(Role.TOOL, [build.part({ case: 'toolResult', value: result })])])).toBe(
      0.8,
    );
  });

  test('is not what is in different messages', () => {
    expect(scoreOf(['4111 1111 ', '1111 1111'].map((text) => user(build.textPart(text))))).toBe(0);
    expect(scoreOf([user(...parts('Hello, ', 'what is the capital of ', 'Mongolia?'))])).toBe(0);
  });

  test('costs no more than reading the texts once more', () => {
    const before = performance.now();
    scoreOf([user(...Array.from({ length: 10_000 }, () => build.textPart('4111 sk-a1 '.repeat(10))))]);
    expect(performance.now() - before).toBeLessThan(5_000);
  });
});
