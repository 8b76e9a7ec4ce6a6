import { describe, expect, test } from 'vitest';
import { type Part, Role } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../src/model/build.ts';
import { readChat, readMessage } from '../../src/security/request-texts.ts';
import { Screen } from '../../src/security/screening.ts';

const screen = new Screen({ keywords: [], threshold: 0.7 });
const secret = 'sk-proj-Zq8vT2xLw9Rk4Nb7Yc1Md6Hs3Jf5';

/** Score of a message that has a part. */
function scoreOf(part: Part): number {
  const screening = screen.begin();
  readMessage(build.message(Role.USER, [part]), screening);
  return screening.score;
}
const said = (text: string): number => scoreOf(build.textPart(text));
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('what is said', () => {
  test.each([
    `data: my key is ${secret}`,
    `data: here, my key is ${secret}`,
    `data:application/x-notes,my key is ${secret}`,
    `DATA: ${secret}`,
  ])('is read also where it begins like a data URL: %s', (text) => {
    expect(said(text)).toBeGreaterThanOrEqual(0.8);
  });

  test('counts with its words', () => {
    expect(said('data: my password, a secret and a token')).toBe(0.6);
  });

  test.each([
    `data:text/plain;base64,${base64(`the key is ${secret}`)}`,
    `data:text/plain,${encodeURIComponent(secret).replace('Z', '%5A')}`,
    `data:,${secret}`,
    `data:;base64,${base64(secret)}`,
  ])('is read as what it stands for, too: %s', (text) => {
    expect(said(text)).toBeGreaterThanOrEqual(0.8);
  });

  test('is decoded around what is no percent-encoding', () => {
    expect(said(`data:text/plain,100% %73k-proj-Zq8vT2xLw9Rk4Nb7Yc1Md6Hs3Jf5 %ff %`)).toBe(0.8);
  });
});

test('what nobody says and only begins like a data URL is looked at for secrets', () => {
  const of = (user: string): number => {
    const screening = screen.begin();
    readChat(requestOf(user), screening);
    return screening.score;
  };
  const requestOf = (user: string) =>
    build.chatRequest('m', [build.message(Role.USER, [build.textPart('Hi')])], {
      parameters: build.parameters({ user }),
    });
  expect(of(`data: ${secret}`)).toBe(0.8);
  expect(of(`data:application/x-notes,${secret}`)).toBe(0.8);
  expect(of(`data:image/png;base64,${base64(`\0${secret}`)}`)).toBe(0);
});
