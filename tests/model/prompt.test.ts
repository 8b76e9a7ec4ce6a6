import { expect, test } from 'vitest';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../src/model/build.ts';
import { promptOf } from '../../src/model/prompt.ts';

const said = (role: Role, text: string) => build.message(role, [build.textPart(text)]);
const user = (text: string) => said(Role.USER, text);
const model = (text: string) => said(Role.ASSISTANT, text);

test('a prompt is what the user said last', () => {
  const messages = [user('x'), model('y'), user('a'), user(''), said(Role.TOOL, 't')];
  expect(promptOf(messages, 5)).toBe(promptOf([user('a')], 1));
  expect(promptOf(messages, 5)).not.toBe(promptOf([user('c')], 1));
  expect(promptOf(messages, 1)).toBe(promptOf([user('x')], 1));
});

test('each turn after a prompt is another one', () => {
  const messages = [user('a'), model('b'), said(Role.TOOL, 't'), model('b')];
  expect(new Set([1, 2, 4].map((end) => promptOf(messages, end))).size).toBe(3);
  expect(promptOf(messages, 3)).toBe(promptOf(messages, 2));
});

test('without a word of the user there are only turns', () => {
  expect(promptOf([], 0)).toBe(promptOf([said(Role.SYSTEM, 's')], 1));
  expect(promptOf([model('b')], 1)).not.toBe(promptOf([], 0));
});
