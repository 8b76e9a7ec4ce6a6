import { expect, test } from 'vitest';
import { ToolChoice_Mode } from '../../gen/llmgateway/v1/generation_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { decodeTools } from '../../src/codec/openai-responses/decode-tools.ts';
import * as build from '../../src/model/build.ts';
import { placed, withoutNamespaces } from '../../src/responses/namespaces.ts';

const space = (name: string, ...tools: object[]) => ({
  type: 'namespace',
  name,
  description: 'About all',
  tools,
});
const called = (name: string, more: object = {}) => ({
  type: 'function',
  name,
  description: 'About one',
  ...more,
});
const request = (...tools: object[]) => ({
  ...build.chatRequest('m', []),
  tools: decodeTools(tools, 'tools'),
});
const flat = (...tools: object[]) => {
  const { request: changed, places } = withoutNamespaces(request(...tools));
  const functions = changed.tools.map(({ kind }) =>
    kind.case === 'function' || kind.case === 'custom' ? kind.value : build.functionTool(''),
  );
  return { changed, places, functions, names: functions.map(({ name }) => name) };
};

test('a request without namespaces stays as it is', () => {
  const given = request(called('a'), { type: 'web_search' });
  expect(withoutNamespaces(given).request).toBe(given);
});

test('each function has its namespace in its name, the first tells of all', () => {
  const { names, functions } = flat(
    called('a'),
    space('crm', called('a'), called('b')),
    space('mcp__x__', called('a')),
  );
  expect(names).toEqual(['a', 'crm__a', 'crm__b', 'mcp__x__a']);
  expect(functions.slice(1, 3).map(({ description }) => description)).toEqual([
    'About one\n\n(crm: About all)',
    'About one',
  ]);
});

test('names that some provider would refuse are made short and plain, the same at all times', () => {
  const long = 'n'.repeat(100);
  const { names, places } = flat(
    space('a.b', called('c')),
    space('a b', called('c')),
    space('s', called(long), called(`${long}x`)),
  );
  expect(new Set(names).size).toBe(4);
  for (const name of names) expect(name).toMatch(/^[\w-]{1,64}$/);
  expect(flat(space('a.b', called('c'))).names[0]).toBe(names[0]);
  expect(places.get(String(names[3]))).toEqual({ namespace: 's', name: `${long}x` });
});

test('a call gets its names back, and has those of the provider in the next turn', () => {
  const { places } = flat(space('crm', called('a')));
  const call = build.part({ case: 'toolCall', value: build.toolCall('c1', 'crm__a', '{}') });
  const told = placed(call, places);
  expect(told.content.value).toMatchObject({ name: 'a' });
  expect(JSON.parse(told.extras?.json ?? '')).toEqual({ item: { namespace: 'crm' } });
  const text = build.textPart('crm__a');
  expect(placed(text, places)).toBe(text);
  // Also when the tool is not offered any more.
  const history = { ...build.chatRequest('m', []), messages: [build.message(Role.ASSISTANT, [told])] };
  expect(withoutNamespaces(history).request.messages[0]?.parts).toEqual([call]);
});

test('a choice of a function in a namespace is one of the renamed function', () => {
  const choose = (...tools: object[]) => {
    const toolChoice = build.toolChoice(ToolChoice_Mode.NAMED, { name: 'a' });
    return withoutNamespaces({ ...request(...tools), toolChoice }).request.toolChoice?.name;
  };
  expect(choose(space('crm', called('a')))).toBe('crm__a');
  expect(choose(called('a'), space('crm', called('a')))).toBe('a');
});
