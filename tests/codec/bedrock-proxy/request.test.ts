import { expect, test } from 'vitest';
import { Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { encodeProxyRequest } from '../../../src/codec/bedrock-proxy/encode-request.ts';
import * as build from '../../../src/model/build.ts';

test("another dialect's part is its plain text, which is reported, or refused by its place", () => {
  const encode = (said: string) => {
    const value = build.opaque('anthropic.messages', 'search_result', '{}', said);
    const parts = [build.part({ case: 'opaque', value }), build.textPart('Sum it up.')];
    const request = build.chatRequest('m', [build.message(Role.USER, parts)]);
    const { body, warnings } = encodeProxyRequest(request, 'm', '');
    return [(JSON.parse(body) as { prompt: string }).prompt, warnings.map(({ code }) => code)];
  };
  expect(encode('Found.')).toEqual(['Found.\nSum it up.', ['simplified_part']]);
  expect(() => encode('')).toThrow(/messages\[0\]\.content\[0\]/);
});
