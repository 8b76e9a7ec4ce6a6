import { describe, expect, test } from 'vitest';
import { ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import { decodeContentPart } from '../../../src/codec/openai-responses/decode-content.ts';
import { decodeItem } from '../../../src/codec/openai-responses/decode-item.ts';
import { decodeResponseRequest } from '../../../src/codec/openai-responses/decode-request.ts';
import { decodeTools } from '../../../src/codec/openai-responses/decode-tools.ts';
import { encodeItem } from '../../../src/codec/openai-responses/encode-item.ts';
import { encodeResponseRequest } from '../../../src/codec/openai-responses/encode-request.ts';
import { encodeResponse } from '../../../src/codec/openai-responses/encode-response.ts';
import { responseParameters } from '../../../src/model/build-responses.ts';
import { itemsOf, messagesOf } from '../../../src/model/items.ts';
import { chatRequestOf } from '../../../src/responses/chat-request.ts';
import { newResponse } from '../../../src/responses/new-response.ts';
import { kindsOf, literalsIn, membersOf, typeOf } from '../../support/sdk-types.ts';

// Every name that the API's types declare has a row here: a new version of the package with a new one fails these tests until it is known
// where it goes.

type Json = Record<string, unknown>;

const names = (table: object): string[] => Object.keys(table).sort();

/** What a body becomes upstream, at a provider with the same API. */
function upstream(body: Json): Json {
  const { parameters, stream } = decodeResponseRequest({ model: 'm', ...body });
  const request = chatRequestOf(parameters, []);
  const { body: text, warnings } = encodeResponseRequest(request, { model: 'm', stream });
  expect(warnings).toEqual([]);
  return JSON.parse(text) as Json;
}

describe('parameters', () => {
  const format = { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true };
  /** A value for each, and where it is: sent as it is, or known to the gateway alone. */
  const table: Record<string, readonly ['sent' | 'gateway', unknown]> = {
    access_programs: ['sent', { cyber: 'standard' }],
    background: ['gateway', true],
    context_management: ['sent', [{ type: 'compaction', compact_threshold: 9 }]],
    conversation: ['gateway', 'conv_1'],
    image: ['sent', { context_compression: 'auto' }],
    include: ['sent', ['web_search_call.results']],
    input: ['sent', [{ type: 'message', role: 'user', content: 'a' }]],
    instructions: ['sent', 'Be brief.'],
    max_output_tokens: ['sent', 9],
    max_tool_calls: ['sent', 9],
    metadata: ['sent', { a: 'b' }],
    model: ['sent', 'm'],
    moderation: ['sent', { model: 'o', policy: { input: { mode: 'block' } } }],
    parallel_tool_calls: ['sent', false],
    previous_response_id: ['gateway', 'resp_1'],
    prompt: ['sent', { id: 'p', version: '1', variables: { a: 'b' } }],
    prompt_cache_key: ['sent', 'k'],
    prompt_cache_options: ['sent', { mode: 'explicit', ttl: '12h', prewarm: true }],
    prompt_cache_retention: ['sent', '24h'],
    reasoning: [
      'sent',
      { effort: 'low', summary: 'auto', generate_summary: 'auto', context: 'auto', mode: 'x' },
    ],
    safety_identifier: ['sent', 's'],
    service_tier: ['sent', 'ultrafast'],
    store: ['sent', false],
    stream: ['sent', true],
    stream_options: ['gateway', { include_obfuscation: false }],
    temperature: ['sent', 0],
    text: ['sent', { format, verbosity: 'low' }],
    tool_choice: ['sent', 'required'],
    tools: ['sent', [{ type: 'function', name: 'f', parameters: {}, strict: true }]],
    top_logprobs: ['sent', 2],
    top_p: ['sent', 0.5],
    truncation: ['sent', 'auto'],
    user: ['sent', 'u'],
  };

  test('are those of the package', () => {
    expect(names(table)).toEqual(membersOf('ResponseCreateParamsBase'));
    const reasoning = table['reasoning']?.[1] as Json;
    expect(names(reasoning)).toEqual(membersOf('Shared.Reasoning'));
    expect(membersOf('ResponseTextConfig')).toEqual(['format', 'verbosity']);
    expect(membersOf('ResponseCreateParams.StreamOptions')).toEqual(['include_obfuscation']);
    // Those of compacting are parameters of a response, too.
    expect(membersOf('ResponseCompactParams').filter((name) => !(name in table))).toEqual([]);
  });

  test.each(Object.entries(table))('%s', (key, [place, value]) => {
    const sent = upstream({ [key]: value });
    if (place === 'gateway') expect(sent).not.toHaveProperty(key);
    else if (key === 'top_logprobs') {
      expect(sent).toMatchObject({ top_logprobs: 2, include: ['message.output_text.logprobs'] });
    } else expect(sent[key]).toEqual(value);
  });

  test.each(Object.keys(table).filter((key) => key !== 'model'))('%s may be null', (key) => {
    expect(() => decodeResponseRequest({ model: 'm', [key]: null })).not.toThrow();
  });

  test.each(literalsIn(typeOf('ResponseIncludable')))('include %s', (value) => {
    expect(upstream({ include: [value] })['include']).toEqual([value]);
  });
});

describe('a response', () => {
  /** Members that are only there when there is something to say: their types take no null. */
  const optional = ['image', 'prompt_cache_diagnostics', 'prompt_cache_options', 'tool_usage'];
  /** Made by the SDK. */
  const made = ['output_text'];

  test('has every member, null where it is not set', () => {
    const response = newResponse('resp_1', 1, responseParameters('m', []));
    const json = JSON.parse(encodeResponse(response)) as Json;
    const wanted = membersOf('Response').filter((name) => !optional.includes(name) && !made.includes(name));
    const own = ['store', 'presence_penalty', 'frequency_penalty'];
    expect(names(json)).toEqual([...wanted, ...own].sort());
    expect(Object.entries(json).filter(([, value]) => value === undefined)).toEqual([]);
  });

  test.each([...optional, 'access_programs', 'moderation'])('%s is as the provider says it', (name) => {
    const response = newResponse('resp_1', 1, responseParameters('m', []));
    const value = { told: [1] };
    const dialect = 'openai.responses';
    response.extras = {
      $typeName: 'llmgateway.v1.Extras',
      dialect,
      json: JSON.stringify({ [name]: value }),
      repeatedKeys: [],
    };
    expect(JSON.parse(encodeResponse(response))).toMatchObject({ [name]: value });
  });
});

const text = { type: 'input_text', text: 'a' };
const direct = { type: 'direct' };

describe('items', () => {
  /** One of each type with all its members; `opaque` ones are kept whole. */
  const table: Record<string, readonly [kind: string, item: Json]> = {
    message: ['message', { role: 'user', content: [text] }],
    additional_tools: ['opaque', { role: 'developer', tools: [] }],
    apply_patch_call: [
      'opaque',
      { call_id: 'c', operation: { type: 'delete_file', path: 'p' }, caller: direct },
    ],
    apply_patch_call_output: ['opaque', { call_id: 'c', status: 'failed', output: 'o' }],
    code_interpreter_call: [
      'opaque',
      { code: 'c', container_id: 'k', outputs: [{ type: 'logs', logs: 'l' }] },
    ],
    compaction: ['opaque', { encrypted_content: 'SEALED' }],
    compaction_trigger: ['opaque', {}],
    computer_call: ['opaque', { call_id: 'c', pending_safety_checks: [], actions: [{ type: 'wait' }] }],
    computer_call_output: [
      'opaque',
      { call_id: 'c', output: { type: 'computer_screenshot', image_url: 'u' } },
    ],
    configuration_update: ['opaque', { reasoning: { effort: 'low' } }],
    custom_tool_call: ['toolCall', { call_id: 'c', name: 'n', input: 'i', caller: direct, namespace: 's' }],
    custom_tool_call_output: ['toolResult', { call_id: 'c', output: 'o', caller: direct }],
    file_search_call: ['opaque', { queries: ['q'], results: [{ file_id: 'f', score: 1 }] }],
    function_call: ['toolCall', { call_id: 'c', name: 'n', arguments: '{}', caller: direct, namespace: 's' }],
    function_call_output: ['toolResult', { call_id: 'c', output: [text], caller: direct, name: 'n' }],
    image_generation_call: ['opaque', { result: 'b64', size: '1024x1024', revised_prompt: 'p' }],
    item_reference: ['reference', { id: 'x' }],
    local_shell_call: ['opaque', { call_id: 'c', action: { type: 'exec', command: ['ls'], env: {} } }],
    local_shell_call_output: ['opaque', { output: 'o' }],
    mcp_approval_request: ['opaque', { arguments: '{}', name: 'n', server_label: 'l' }],
    mcp_approval_response: ['opaque', { approval_request_id: 'a', approve: true, reason: 'r' }],
    mcp_call: ['opaque', { arguments: '{}', name: 'n', server_label: 'l', output: 'o', error: null }],
    mcp_list_tools: ['opaque', { server_label: 'l', tools: [{ name: 'n', input_schema: {} }] }],
    program: ['opaque', { call_id: 'c', code: 'x', fingerprint: 'f' }],
    program_output: ['opaque', { call_id: 'c', result: 'r' }],
    reasoning: ['reasoning', { summary: [{ type: 'summary_text', text: 's' }], encrypted_content: 'E' }],
    shell_call: ['opaque', { call_id: 'c', action: { commands: ['ls'] }, environment: { type: 'local' } }],
    shell_call_output: ['opaque', { call_id: 'c', output: [], max_output_length: 9 }],
    tool_search_call: ['opaque', { arguments: {}, call_id: 'c', execution: 'client' }],
    tool_search_output: ['opaque', { tools: [], call_id: 'c' }],
    web_search_call: ['opaque', { action: { type: 'search', query: 'q', sources: [] } }],
  };

  test('are those of the package', () => {
    const declared = ['ResponseInputItem', 'ResponseOutputItem', 'ResponseItem'].flatMap(kindsOf);
    expect(names(table)).toEqual([...new Set(declared)].sort());
  });

  test.each(Object.entries(table))('%s passes both ways with all that it says', (type, [kind, own]) => {
    const status = kind === 'reference' || kind === 'reasoning' ? {} : { status: 'completed' };
    const json: Json = { type, id: 'x', ...status, ...own };
    const item = decodeItem(json, 'input[0]');
    expect(item.kind.case).toBe(kind);
    const form = { complete: false, withState: true };
    expect(JSON.parse(encodeItem(item, form))).toEqual(json);
    if (kind === 'reference') return;
    // As a message of a conversation, which is how it reaches a provider.
    const [again] = itemsOf(messagesOf([item]));
    const { status: _, ...said } = JSON.parse(encodeItem(again ?? item, form)) as Json;
    const { status: __, ...wanted } = json;
    expect('status' in own ? { ...said, status: own['status'] } : said).toEqual(
      'status' in own ? { ...wanted, status: own['status'] } : wanted,
    );
  });
});

describe('contents', () => {
  const table: Record<string, readonly [kind: string, part: Json]> = {
    input_text: ['text', { text: 'a', prompt_cache_breakpoint: { mode: 'explicit' } }],
    input_image: ['image', { image_url: 'https://a.example/p.png', detail: 'original' }],
    input_file: ['file', { file_id: 'f', filename: 'n', detail: 'low' }],
    output_text: ['text', { text: 'a', annotations: [], logprobs: [] }],
    refusal: ['refusal', { refusal: 'no' }],
    reasoning_text: ['opaque', { text: 'a' }],
  };

  test('are those of the package', () => {
    expect(names(table)).toEqual(kindsOf('ResponseContent'));
  });

  test.each(Object.entries(table))('%s', (type, [kind, own]) => {
    const part = { type, ...own };
    expect(decodeContentPart(part, 'content[0]').content.case).toBe(kind);
    const output = kind !== 'opaque' && !type.startsWith('input');
    const json = { type: 'message', id: 'm', role: output ? 'assistant' : 'user', content: [part] };
    expect(
      JSON.parse(encodeItem(decodeItem(json, 'input[0]'), { complete: false, withState: true })),
    ).toEqual(json);
  });
});

describe('tools', () => {
  const hosted = ['apply_patch', 'code_interpreter', 'computer', 'computer_use_preview', 'file_search'];
  const more = ['image_generation', 'local_shell', 'mcp', 'namespace', 'programmatic_tool_calling', 'shell'];
  const search = ['tool_search', 'web_search', 'web_search_2025_08_26'];
  const preview = ['web_search_preview', 'web_search_preview_2025_03_11'];
  const kinds: Record<string, string> = { function: 'function', custom: 'custom' };
  for (const type of [...hosted, ...more, ...search, ...preview]) kinds[type] = 'hosted';

  test('are those of the package', () => {
    expect(names(kinds)).toEqual(kindsOf('Tool'));
  });

  test.each(Object.entries(kinds))('%s', (type, kind) => {
    const tool =
      kind === 'hosted'
        ? { type, anything: { a: [1] } }
        : { type, name: 'n', description: 'd', defer_loading: true, allowed_callers: ['direct'] };
    expect(decodeTools([tool], 'tools')[0]?.kind.case).toBe(kind);
    expect(upstream({ tools: [tool] })['tools']).toEqual([tool]);
  });

  const chosen: Record<string, unknown> = {
    none: 'none',
    auto: 'auto',
    required: 'required',
    allowed_tools: {
      type: 'allowed_tools',
      mode: 'auto',
      tools: [{ type: 'function', name: 'f' }, { type: 'web_search' }],
    },
    function: { type: 'function', name: 'f' },
    custom: { type: 'custom', name: 'c' },
    mcp: { type: 'mcp', server_label: 'l', name: 'n' },
  };
  const bare = [
    'apply_patch',
    'code_interpreter',
    'computer',
    'computer_use',
    'computer_use_preview',
    'file_search',
  ];
  const others = ['image_generation', 'programmatic_tool_calling', 'shell', ...preview];
  for (const type of [...bare, ...others]) chosen[type] = { type };

  test('choices are those of the package', () => {
    expect(names(chosen)).toEqual(kindsOf(typeOf('ResponseCreateParamsBase', 'tool_choice')));
  });

  test.each(Object.entries(chosen))('choice %s', (_type, choice) => {
    expect(upstream({ tool_choice: choice })['tool_choice']).toEqual(choice);
    const response = newResponse(
      'resp_1',
      1,
      decodeResponseRequest({ model: 'm', tool_choice: choice }).parameters,
    );
    expect((JSON.parse(encodeResponse(response)) as Json)['tool_choice']).toEqual(choice);
  });

  test('a choice of a tool with a name is one that every provider understands', () => {
    const { toolChoice } = decodeResponseRequest({ model: 'm', tool_choice: chosen['function'] }).parameters;
    expect(toolChoice).toMatchObject({ mode: ToolChoice_Mode.NAMED, name: 'f' });
  });
});
