import { expect, test } from 'vitest';
import type { ResponseEvent } from '../../../gen/llmgateway/v1/responses_service_pb.js';
import { ResponseStreamDecoder } from '../../../src/codec/openai-responses/decode-stream.ts';
import { encodeEvent } from '../../../src/codec/openai-responses/encode-event.ts';
import { responseParameters } from '../../../src/model/build-responses.ts';
import type { StreamEvent } from '../../../src/model/events.ts';
import { LifeCycle } from '../../../src/responses/life-cycle.ts';
import { newResponse } from '../../../src/responses/new-response.ts';
import { checkEvents, type Json } from '../../support/response-machine.ts';
import { kindsOf, membersOf, typeOf } from '../../support/sdk-types.ts';

// Every event that the API's types declare passes from a provider to the client.

/** The gateway's own encoder makes these; audio is of the realtime API's models. */
const made = [
  'error',
  'response.completed',
  'response.content_part.added',
  'response.content_part.done',
  'response.created',
  'response.custom_tool_call_input.delta',
  'response.custom_tool_call_input.done',
  'response.failed',
  'response.function_call_arguments.delta',
  'response.function_call_arguments.done',
  'response.in_progress',
  'response.incomplete',
  'response.output_item.added',
  'response.output_item.done',
  'response.output_text.annotation.added',
  'response.output_text.delta',
  'response.output_text.done',
  'response.queued',
  'response.reasoning_summary_part.added',
  'response.reasoning_summary_part.done',
  'response.reasoning_summary_text.delta',
  'response.reasoning_summary_text.done',
  'response.reasoning_text.delta',
  'response.reasoning_text.done',
  'response.refusal.delta',
  'response.refusal.done',
];
/** The provider's own: how far its tools are. */
const passed = [
  'response.audio.delta',
  'response.audio.done',
  'response.audio.transcript.delta',
  'response.audio.transcript.done',
  'response.code_interpreter_call.completed',
  'response.code_interpreter_call.in_progress',
  'response.code_interpreter_call.interpreting',
  'response.code_interpreter_call_code.delta',
  'response.code_interpreter_call_code.done',
  'response.compaction.compacting',
  'response.file_search_call.completed',
  'response.file_search_call.in_progress',
  'response.file_search_call.searching',
  'response.image_generation_call.completed',
  'response.image_generation_call.generating',
  'response.image_generation_call.in_progress',
  'response.image_generation_call.partial_image',
  'response.mcp_call.completed',
  'response.mcp_call.failed',
  'response.mcp_call.in_progress',
  'response.mcp_call_arguments.delta',
  'response.mcp_call_arguments.done',
  'response.mcp_list_tools.completed',
  'response.mcp_list_tools.failed',
  'response.mcp_list_tools.in_progress',
  'response.shell_call_command.added',
  'response.shell_call_command.delta',
  'response.shell_call_command.done',
  'response.shell_call_output_content.delta',
  'response.shell_call_output_content.done',
  'response.web_search_call.completed',
  'response.web_search_call.in_progress',
  'response.web_search_call.searching',
];

test('they are those of the package', () => {
  expect([...made, ...passed].sort()).toEqual(kindsOf(typeOf('ResponseStreamEvent')));
});

/** Events of a provider on their way to the client. */
function through(events: readonly Json[]): Json[] {
  const lifeCycle = new LifeCycle({
    response: newResponse('resp_1', 1, responseParameters('m', [])),
    newId: (prefix) => `${prefix}_new`,
    now: () => 2,
  });
  const out: ResponseEvent[] = [];
  lifeCycle.announce(out);
  lifeCycle.begin(out);
  const decoder = new ResponseStreamDecoder({ provider: 'openai' });
  for (const event of events) {
    const decoded: StreamEvent[] = [];
    decoder.push(JSON.stringify(event), decoded);
    lifeCycle.add(decoded, out);
  }
  return out.map((event) => JSON.parse(encodeEvent(event, []).data) as Json);
}

const response = {
  id: 'resp_up',
  object: 'response',
  model: 'm',
  created_at: 1,
  status: 'completed',
  output: [],
};

/** The item that an event is about. */
const itemOf = (type: string, status: string): Json => ({
  id: 'it_1',
  type: /^response\.(compaction|mcp_list_tools|[a-z_]+?_call)/.exec(type)?.[1] ?? 'some_call',
  status,
  server_label: 's',
  name: 'n',
  arguments: '',
  output: null,
  error: null,
});

test.each(passed)('%s', (type) => {
  const item = itemOf(type, 'completed');
  const event: Json = { type, output_index: 0, item_id: 'it_1', delta: 'x', any: { a: [1, null] } };
  const events = through([
    { type: 'response.created', response: { ...response, status: 'in_progress' } },
    { type: 'response.output_item.added', output_index: 0, item: itemOf(type, 'in_progress') },
    { ...event, sequence_number: 77 },
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.completed', response: { ...response, output: [item] } },
  ]);
  // Those of audio are about parts.
  if (!type.startsWith('response.audio.')) checkEvents(events);
  const { sequence_number: number, ...same } = events.find((one) => one['type'] === type) as Json;
  expect(same).toEqual(event);
  expect(number).toBe(3);
});

test('usage has every member', () => {
  const used = {
    input_tokens: 5,
    input_tokens_details: { cached_tokens: 1, cache_write_tokens: 2 },
    output_tokens: 4,
    output_tokens_details: { reasoning_tokens: 3 },
    total_tokens: 9,
  };
  const events = through([{ type: 'response.completed', response: { ...response, usage: used } }]);
  const last = events.at(-1)?.['response'] as Json;
  expect(last['usage']).toEqual(used);
  expect(membersOf('ResponseUsage')).toEqual(Object.keys(used).sort());
});
