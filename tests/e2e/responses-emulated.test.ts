import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ResponsesService } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { decodeResponseRequest } from '../../src/codec/openai-responses/decode-request.ts';
import { encodeEvent } from '../../src/codec/openai-responses/encode-event.ts';
import { chunked, type ScriptedUpstream, STREAM_HEAD, startUpstream } from '../http/support/upstream.ts';
import { type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { checkEvents, type Json } from '../support/response-machine.ts';
import { eventsIn, respond } from '../support/responses.ts';
import { chunkOf } from '../support/scripted-model.ts';

// Streams that no recording has, from an upstream that speaks them byte by byte: over a chat API, and by a Responses API.

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let answer: string;
/** Whether the connection breaks after the answer. */
let breaks: boolean;
beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(({ socket, body }) => {
    if (body === '') return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    if (!breaks) return void socket.write(answer);
    socket.write(answer, () => setImmediate(() => socket.resetAndDestroy()));
  });
  gateway = await startGateway({
    OPENAI_API_KEY: 'k',
    LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1`,
    DEEPSEEK_API_KEY: 'k',
    LLM_GATEWAY_DEEPSEEK_BASE_URL: upstream.origin,
  });
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
});

interface Outcome {
  /** Of the whole call, where it did not begin. */
  readonly refused: string | null;
  readonly types: readonly string[];
  readonly status: string;
  readonly items: readonly string[];
}

const gist = (item: Json): string => {
  const parts = [...((item['summary'] ?? []) as Json[]), ...((item['content'] ?? []) as Json[])];
  const said = item['arguments'] ?? parts.map((part) => part['text'] ?? part['refusal']).join('|');
  return `${item['type']} ${said}${item['status'] === 'incomplete' ? ' incomplete' : ''}`;
};

function outcomeOf(events: readonly Json[]): Outcome {
  checkEvents(events);
  const response = events.at(-1)?.['response'] as Json;
  return {
    refused: null,
    types: events.map(({ type }) => String(type)),
    status: String(response['status']),
    items: (response['output'] as Json[]).map(gist),
  };
}
const refusal = (refused: string): Outcome => ({ refused, types: [], status: '', items: [] });

const faces = {
  async REST(request: Json): Promise<Outcome> {
    const reply = await respond(gateway.url, { ...request, stream: true });
    const text = await reply.text();
    return reply.status === 200 ? outcomeOf(eventsIn(text)) : refusal(String(reply.status));
  },
  async gRPC(request: Json): Promise<Outcome> {
    const client = createClient(ResponsesService, rpcTransports.gRPC(gateway.url));
    const events: Json[] = [];
    const { parameters } = decodeResponseRequest(request);
    try {
      for await (const { event } of client.streamResponse({ parameters })) {
        if (event !== undefined) events.push(JSON.parse(encodeEvent(event, []).data) as Json);
      }
    } catch (error) {
      return refusal(Code[ConnectError.from(error).code] ?? '');
    }
    return outcomeOf(events);
  },
} as const;

interface Script {
  readonly answer: string;
  readonly breaks?: boolean;
  readonly status: string;
  readonly items?: readonly string[];
  /** What a call is refused with on REST and by RPC. */
  readonly refused?: readonly [number, string];
}

const call = (index: number, id: string, args: string): string =>
  chunkOf({
    tool_calls: [
      {
        index,
        ...(id === '' ? {} : { id, type: 'function' }),
        function: { ...(id === '' ? {} : { name: `f${index}` }), arguments: args },
      },
    ],
  });
const say = (content: string): string => chunkOf({ content });
const think = (reasoning_content: string): string => chunkOf({ reasoning_content });
const done = `${chunked('data: [DONE]\n\n')}0\r\n\r\n`;
const end = (finish: string): string => chunkOf({}, finish) + done;
const overChat: Record<string, Script> = {
  'thought, text and a call': {
    answer: think('h') + say('a') + call(0, 'c0', '{}') + end('tool_calls'),
    status: 'completed',
    items: ['reasoning h', 'message a', 'function_call {}'],
  },
  'text after a call': {
    answer: call(0, 'c0', '{}') + say('a') + end('tool_calls'),
    status: 'completed',
    items: ['function_call {}', 'message a'],
  },
  'thoughts between texts': {
    answer: say('a') + think('h') + say('b') + end('stop'),
    status: 'completed',
    items: ['message a', 'reasoning h', 'message b'],
  },
  'calls whose arguments interleave': {
    answer:
      call(0, 'c0', '') +
      call(1, 'c1', '{"b"') +
      call(0, '', '{"a":1') +
      call(1, '', ':2}') +
      call(0, '', '}') +
      end('tool_calls'),
    status: 'completed',
    items: ['function_call {"a":1}', 'function_call {"b":2}'],
  },
  'a call without arguments': {
    answer: call(0, 'c0', '') + end('tool_calls'),
    status: 'completed',
    items: ['function_call {}'],
  },
  'a refusal': {
    answer: chunkOf({ refusal: 'no' }) + end('stop'),
    status: 'completed',
    items: ['message no'],
  },
  'nothing said': { answer: end('stop'), status: 'completed', items: [] },
  'a text cut by its length': {
    answer: say('a') + end('length'),
    status: 'incomplete',
    items: ['message a incomplete'],
  },
  'a call cut by its length': {
    answer: say('a') + call(0, 'c0', '{"x') + end('length'),
    status: 'incomplete',
    items: ['message a', 'function_call {"x incomplete'],
  },
  'a text that is filtered': {
    answer: say('a') + end('content_filter'),
    status: 'incomplete',
    items: ['message a incomplete'],
  },
  'no end': { answer: `${say('a')}0\r\n\r\n`, status: 'failed', items: ['message a incomplete'] },
  'an end without its reason': { answer: say('a') + done, status: 'failed', items: ['message a incomplete'] },
  'a broken connection': {
    answer: say('a') + call(0, 'c0', '{'),
    breaks: true,
    status: 'failed',
    items: ['message a', 'function_call { incomplete'],
  },
  'an error in the middle': {
    answer: `${say('a')}${chunked('data: {"error":{"message":"overloaded"}}\n\n')}`,
    status: 'failed',
    items: ['message a incomplete'],
  },
  'an error before the first output': {
    answer: chunked('data: {"error":{"message":"slow down","code":"rate_limit_exceeded"}}\n\n'),
    status: '',
    refused: [429, 'ResourceExhausted'],
  },
  'a connection that breaks before the first output': {
    answer: '',
    breaks: true,
    status: '',
    refused: [502, 'Unavailable'],
  },
};

let number = 0;
const event = (type: string, members: Json): string =>
  chunked(`event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: number++, ...members })}\n\n`);
const response = (status: string, more: Json = {}): Json => ({
  response: {
    id: 'resp_up',
    object: 'response',
    created_at: 1,
    model: 'm',
    status,
    output: [],
    error: null,
    incomplete_details: null,
    usage: null,
    tools: [],
    ...more,
  },
});
const begin =
  event('response.created', response('in_progress')) + event('response.in_progress', response('in_progress'));
const message = { id: 'msg_up', type: 'message', role: 'assistant', status: 'in_progress', content: [] };
const place = { item_id: 'msg_up', output_index: 0, content_index: 0 };
const said =
  event('response.output_item.added', { output_index: 0, item: message }) +
  event('response.content_part.added', {
    ...place,
    part: { type: 'output_text', text: '', annotations: [] },
  }) +
  event('response.output_text.delta', { ...place, delta: 'Hel', logprobs: [] });
const search = { id: 'ws_up', type: 'web_search_call', status: 'in_progress' };
const searching =
  event('response.output_item.added', { output_index: 0, item: search }) +
  event('response.web_search_call.searching', { item_id: 'ws_up', output_index: 0 });
const byResponses: Record<string, Script> = {
  'no end': { answer: `${begin}${said}0\r\n\r\n`, status: 'failed', items: ['message Hel incomplete'] },
  'a broken connection': {
    answer: begin + said,
    breaks: true,
    status: 'failed',
    items: ['message Hel incomplete'],
  },
  'an incomplete response whose item was not closed': {
    answer: `${begin}${said}${event('response.incomplete', response('incomplete', { incomplete_details: { reason: 'max_output_tokens' } }))}0\r\n\r\n`,
    status: 'incomplete',
    items: ['message Hel incomplete'],
  },
  'a failure in the middle': {
    answer: `${begin}${said}${event('response.failed', response('failed', { error: { code: 'server_error', message: 'oh' } }))}0\r\n\r\n`,
    status: 'failed',
    items: ['message Hel incomplete'],
  },
  'an error event in the middle': {
    answer: `${begin}${said}${event('error', { code: 'server_error', message: 'oh', param: null })}0\r\n\r\n`,
    status: 'failed',
    items: ['message Hel incomplete'],
  },
  'a hosted tool that was at work': {
    answer: `${begin}${searching}0\r\n\r\n`,
    status: 'failed',
    items: ['web_search_call '],
  },
  'an item that is told only at the end': {
    answer: `${begin}${event('response.completed', response('completed', { output: [{ ...message, status: 'completed', content: [{ type: 'output_text', text: 'all', annotations: [] }] }] }))}0\r\n\r\n`,
    status: 'completed',
    items: ['message all'],
  },
  'a delta without an announcement': {
    answer: `${begin}${event('response.output_text.delta', { ...place, delta: 'Hel' })}${event('response.completed', response('completed'))}0\r\n\r\n`,
    status: 'completed',
    items: ['message Hel'],
  },
  'a failure before the first output': {
    answer: `${begin}${event('error', { code: 'rate_limit_exceeded', message: 'slow down', param: null })}0\r\n\r\n`,
    status: '',
    refused: [429, 'ResourceExhausted'],
  },
};

describe.each([
  ['a chat API', 'deepseek/m', overChat],
  ['a Responses API', 'openai/m', byResponses],
] as const)('from %s', (_api, model, scripts) => {
  describe.each(Object.keys(faces) as (keyof typeof faces)[])('on %s', (face) => {
    test.each(Object.entries(scripts))('%s', async (_name, script) => {
      answer = script.answer === '' ? '' : STREAM_HEAD + script.answer;
      breaks = script.breaks ?? false;
      const tools = [0, 1].map((i) => ({
        type: 'function',
        name: `f${i}`,
        parameters: { type: 'object', properties: {} },
      }));
      const outcome = await faces[face]({ model, input: 'Hello', tools, store: false });
      if (script.refused !== undefined) {
        expect(outcome.refused).toBe(String(script.refused[face === 'REST' ? 0 : 1]));
        return;
      }
      expect(outcome).toMatchObject({ refused: null, status: script.status, items: script.items });
      expect(
        outcome.types.filter(
          (type) => /\.(?:completed|failed|incomplete|cancelled)$/.test(type) && !type.includes('_call'),
        ),
      ).toHaveLength(1);
    });
  });
});
