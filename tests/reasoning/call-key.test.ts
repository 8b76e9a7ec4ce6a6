import { describe, expect, test } from 'vitest';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../src/model/build.ts';
import { callKey } from '../../src/reasoning/call-key.ts';

const conversation = (text: string) => [build.message(Role.USER, [build.textPart(text)])];
const keyOf = (id: string, args = '{}', name = 'get_weather', prompt = 'a') =>
  callKey(build.toolCall(id, name, args), conversation(prompt), 1);

describe.each([
  'call_0',
  'functions.get_weather:0',
  'tool_0_get_weather',
  'chatcmpl-tool-0',
  '7',
  'call_12345',
])('the call %s is known by more than its id', (id) => {
  test('so it is another with another name, other arguments or another prompt', () => {
    const keys = [
      keyOf(id),
      keyOf(id, '{"q":1}'),
      keyOf(id, '{}', 'get_w'),
      keyOf(id, '{}', 'get_weather', 'b'),
    ];
    expect(new Set(keys).size).toBe(4);
  });

  test('and the same however its arguments are written', () => {
    expect(keyOf(id, ' { "q" : 1 } ')).toBe(keyOf(id, '{"q":1}'));
    expect(keyOf(id, '')).toBe(keyOf(id, '{}'));
    expect(keyOf(id, '{"q"')).toBe(keyOf(id, '{"q"'));
  });
});

test.each([
  'call_abcdefghijklmnopqrstuvwx',
  'toolu_01A09q90qw90lq917835lq9',
  'tooluse_kZJMlvQmRJ6eAyJE5GIl7Q',
  'call_00_4dWVKkzJ8u4pRmXJVfTGz2ZL',
])('the id %s says enough', (id) => {
  expect(keyOf(id, '{"q":1}', 'f', 'b')).toBe(id);
});
