import { describe, expect, test } from 'vitest';
import { type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../../src/model/build.ts';
import { blocksOf, f, type Json, ofChat, ofMessages, refused, user, written } from './support/written.ts';

describe('pictures and documents', () => {
  const content = (part: Part) => blocksOf(ofMessages(user(part)).body, 0)[0];
  const picture = (url: string) =>
    content(build.part({ case: 'image', value: build.image({ case: 'url', value: url }) }));
  const document = (source: Parameters<typeof build.file>[0], rest: Parameters<typeof build.file>[1] = {}) =>
    content(build.part({ case: 'file', value: build.file(source, rest) }));

  test.each<[string, Json]>([
    ['https://a/b.png', { type: 'url', url: 'https://a/b.png' }],
    ['data:image/webp;base64,AA==', { type: 'base64', media_type: 'image/webp', data: 'AA==' }],
    ['data:image/jpg;base64,AA==', { type: 'base64', media_type: 'image/jpeg', data: 'AA==' }],
    ['data:image/svg+xml,%3Csvg%2F%3E', { type: 'base64', media_type: 'image/svg+xml', data: 'PHN2Zy8+' }],
    ['data:image/png;base64,A\nA==', { type: 'base64', media_type: 'image/png', data: 'AA==' }],
  ])('a picture at %j', (url, source) => {
    expect(picture(url)).toEqual({ type: 'image', source });
  });

  test('pictures as bytes and as files', () => {
    const bytes = build.image({ case: 'data', value: new Uint8Array([0, 1]) }, { mediaType: 'image/png' });
    expect(content(build.part({ case: 'image', value: bytes }))).toMatchObject({
      source: { type: 'base64', media_type: 'image/png', data: 'AAE=' },
    });
    const file = build.image({ case: 'fileId', value: 'file_1' });
    expect(content(build.part({ case: 'image', value: file }))).toMatchObject({
      source: { type: 'file', file_id: 'file_1' },
    });
  });

  test('documents', () => {
    const pdf = 'data:application/pdf;base64,AA==';
    expect(document({ case: 'url', value: pdf }, { filename: 'a.pdf' })).toEqual({
      type: 'document',
      source: { type: 'base64', media_type: 'application/pdf', data: 'AA==' },
      title: 'a.pdf',
    });
    expect(document({ case: 'url', value: 'https://a/b.pdf' })).toMatchObject({ source: { type: 'url' } });
    expect(document({ case: 'text', value: 'a' })).toMatchObject({
      source: { type: 'text', media_type: 'text/plain', data: 'a' },
    });
    const csv = `data:text/csv;base64,${Buffer.from('ä,b').toString('base64')}`;
    expect(document({ case: 'url', value: csv })).toMatchObject({ source: { type: 'text', data: 'ä,b' } });
    expect(document({ case: 'url', value: 'data:,%C3%A4' })).toMatchObject({
      source: { type: 'text', data: 'ä' },
    });
    const bytes = document({ case: 'data', value: new Uint8Array([97]) }, { mediaType: 'text/markdown' });
    expect(bytes).toMatchObject({ source: { type: 'text', data: 'a' } });
  });

  test('an address that Anthropic cannot fetch, and sound, are refused by their place', () => {
    expect(refused(() => picture('gs://a/b.png')).facts.field).toBe('messages[0].content[0]');
    const sound = { type: 'input_audio', input_audio: { data: 'AA==', format: 'wav' } };
    const messages = [{ role: 'user', content: [{ type: 'text', text: 'Listen:' }, sound] }];
    expect(refused(() => ofChat({ messages })).facts.field).toBe('messages[0].content[1]');
  });
});

describe('tools', () => {
  test.each([
    [undefined, { type: 'object', properties: {} }],
    [{}, { type: 'object', properties: {} }],
    [{ properties: { a: { type: 'string' } } }, { type: 'object', properties: { a: { type: 'string' } } }],
    [
      { $schema: 'x', type: 'object' },
      { $schema: 'x', type: 'object' },
    ],
  ])('a schema %j', (parameters, schema) => {
    const tool = {
      type: 'function',
      function: { name: 'f', ...(parameters === undefined ? {} : { parameters }) },
    };
    expect(ofChat({ tools: [tool] }).body.tools).toEqual([{ name: 'f', input_schema: schema }]);
  });

  test.each<[unknown, boolean | undefined, unknown]>([
    ['auto', undefined, { type: 'auto' }],
    ['none', false, { type: 'none' }],
    ['required', undefined, { type: 'any' }],
    ['required', false, { type: 'any', disable_parallel_tool_use: true }],
    [
      { type: 'function', function: { name: 'f' } },
      true,
      { type: 'tool', name: 'f', disable_parallel_tool_use: false },
    ],
    [undefined, false, { type: 'auto', disable_parallel_tool_use: true }],
    [undefined, true, undefined],
  ])('choice %j with parallel %s', (choice, parallel, expected) => {
    const { body } = ofChat({
      tools: [f],
      tool_choice: choice ?? null,
      parallel_tool_calls: parallel ?? null,
    });
    expect(body.tool_choice).toEqual(expected);
  });

  test('a choice without tools says nothing', () => {
    expect(ofChat({ tool_choice: 'none', parallel_tool_calls: false }).body.tool_choice).toBeUndefined();
  });

  test('only the allowed ones are sent where not all are', () => {
    const g = { type: 'function', function: { name: 'g' } };
    const choice = (mode: string, ...tools: unknown[]) => ({
      type: 'allowed_tools',
      allowed_tools: { mode, tools },
    });
    const { body } = ofChat({
      tools: [f, g],
      tool_choice: choice('required', { type: 'function', function: { name: 'g' } }),
    });
    expect(body.tools).toMatchObject([{ name: 'g' }]);
    expect(body.tool_choice).toEqual({ type: 'any' });
    const error = refused(() =>
      ofChat({ tools: [f], tool_choice: choice('auto', { type: 'function', name: 'x' }) }),
    );
    expect(error.facts.field).toBe('tool_choice');
  });

  test('tools that Anthropic does not have are refused by their place', () => {
    const custom = { type: 'custom', custom: { name: 'c' } };
    expect(refused(() => ofChat({ tools: [f, custom] })).facts.field).toBe('tools[1]');
    expect(refused(() => ofChat({ tools: [{ type: 'web_search' }] })).facts.field).toBe('tools[0]');
  });
});

describe('cache markers', () => {
  const marked = (value: string, ttl = '') =>
    build.part({ case: 'text', value: build.text(value) }, { cacheBreakpoint: build.cacheBreakpoint(ttl) });
  const places = (json: unknown): string[] =>
    JSON.stringify(json).match(/"(?:name|text)":"[^"]*"(?=[^{}]*(?:\{[^{}]*\})?[^{}]*"cache_control")/g) ??
    [];

  test('are the last four, in the order of the prompt', () => {
    const tool = build.tool(
      { case: 'function', value: build.functionTool('t', { parametersJson: '{"type":"object"}' }) },
      { cacheBreakpoint: build.cacheBreakpoint() },
    );
    const request = build.chatRequest(
      'm',
      [
        build.message(Role.SYSTEM, [marked('s')]),
        user(marked('1'), marked('2')),
        user(marked('3'), marked('4')),
      ],
      { tools: [tool] },
    );
    const { body, warnings } = written(request);
    expect(body.tools?.[0]).not.toHaveProperty('cache_control');
    expect(places(body)).toEqual(['1', '2', '3', '4'].map((name) => `"text":"${name}"`));
    expect(warnings).toEqual(['dropped_cache_breakpoint']);
  });

  test('last as long as Anthropic can', () => {
    const { body, warnings } = ofMessages(
      user(marked('a', '1h'), marked('b', '5m'), marked('c'), marked('d', '12h')),
    );
    expect(blocksOf(body, 0).map((block) => block['cache_control'])).toEqual([
      { type: 'ephemeral', ttl: '1h' },
      { type: 'ephemeral', ttl: '5m' },
      { type: 'ephemeral' },
      { type: 'ephemeral' },
    ]);
    expect(warnings).toEqual(['changed_cache_ttl']);
  });
});

test('blank texts are left out beside others', () => {
  const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } };
  const messages = [
    { role: 'user', content: 'q' },
    { role: 'assistant', content: '\n\n', tool_calls: [call] },
    { role: 'tool', tool_call_id: 'c', content: '1' },
  ];
  const { body } = ofChat({ messages });
  expect(blocksOf(body, 1)).toMatchObject([{ type: 'tool_use', id: 'c' }]);
});
