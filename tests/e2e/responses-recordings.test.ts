import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ErrorDetailSchema } from '../../gen/llmgateway/v1/error_pb.js';
import {
  type Item,
  ResponseStatus,
  ResponsesService,
  type Response as RpcResponse,
} from '../../gen/llmgateway/v1/responses_service_pb.js';
import { decodeResponseRequest } from '../../src/codec/openai-responses/decode-request.ts';
import { encodeEvent } from '../../src/codec/openai-responses/encode-event.ts';
import { encodeResponse } from '../../src/codec/openai-responses/encode-response.ts';
import { type RpcFace, rpcTransports } from '../support/gateway.ts';
import { expectedOf, type Recording, recordings, type Seen } from '../support/recordings.ts';
import { isOfEmbeddings } from '../support/replayed-embeddings.ts';
import { modelOf, type ReplayedGateway, startReplayedGateway } from '../support/replayed-gateway.ts';
import { checkEvents, checkResponse, type Json } from '../support/response-machine.ts';
import { eventsIn, respond } from '../support/responses.ts';

// Every recorded answer of every provider as a response: those of providers that have the Responses API in its own form, the others over
// their chat APIs; read on REST and by RPC.

const all = recordings();

/** Why recordings of an API are not replayed here. */
const elsewhere: Readonly<Record<string, string>> = {
  completions: 'text completions, which the gateway does not serve',
  api_generate: 'text completions, which the gateway does not serve',
  models: 'a list of models',
  embeddings: 'vectors: replayed in recordings.test.ts',
  embed: 'vectors: replayed in recordings.test.ts',
  api_embed: 'vectors: replayed in recordings.test.ts',
};
const own = all.filter(({ endpoint }) => endpoint === 'responses');
const chats = all.filter(
  (one) => one.endpoint !== 'responses' && elsewhere[one.endpoint] === undefined && !isOfEmbeddings(one),
);

/** An error that a stream tells under status 200, as those who recorded it call it. */
type Error200 = { readonly error_in_200?: { readonly code: string; readonly message: string } };
const hidden = ({ derived }: Recording) => (derived as Error200).error_in_200;
const isGood = (one: Recording): boolean => one.derived.error === undefined && hidden(one) === undefined;

let byResponses: ReplayedGateway;
let byChat: ReplayedGateway;
beforeAll(async () => {
  byResponses = await startReplayedGateway(true);
  byChat = await startReplayedGateway(false);
});
afterAll(async () => {
  await byResponses?.stop();
  await byChat?.stop();
});

/** A response as a client sees it. */
interface SeenResponse {
  readonly seen: Seen;
  readonly status: string;
  readonly types: readonly string[];
  readonly id: string;
}

type Ask = (gateway: ReplayedGateway, request: Json) => Promise<SeenResponse>;

const textsOf = (list: unknown): string => ((list ?? []) as Json[]).map(({ text }) => text ?? '').join('');

function seenIn(response: Json): SeenResponse {
  const output = response['output'] as Json[];
  const calls = output.filter(({ type }) => type === 'function_call');
  const usage = response['usage'] as Record<string, never> | null;
  const status = String(response['status']);
  const reason = (response['incomplete_details'] as Json | null)?.['reason'];
  const of = (type: string, list: string): string =>
    output.map((item) => (item['type'] === type ? textsOf(item[list]) : '')).join('');
  return {
    status,
    id: String(response['id']),
    types: output.map(({ type }) => String(type)),
    seen: {
      text: of('message', 'content'),
      thinking: of('reasoning', 'summary') + of('reasoning', 'content'),
      toolCalls: calls.map((call) => ({
        id: String(call['call_id']),
        name: String(call['name']),
        args: JSON.parse(String(call['arguments'])),
      })),
      finish:
        status === 'completed'
          ? calls.length > 0
            ? 'tool_calls'
            : 'stop'
          : reason === 'max_output_tokens'
            ? 'length'
            : String(reason),
      usage:
        usage === null
          ? null
          : {
              prompt: usage['input_tokens'] as unknown as number,
              completion: usage['output_tokens'] as unknown as number,
              total: usage['total_tokens'] as unknown as number,
              cached: usage['input_tokens_details']?.['cached_tokens'] as unknown as number,
              reasoning: usage['output_tokens_details']?.['reasoning_tokens'] as unknown as number,
            },
    },
  };
}

/** What a client of REST was refused with. */
class Refusal extends Error {
  readonly status: number;
  readonly body: Json;
  constructor(status: number, body: Json) {
    super(JSON.stringify(body));
    this.status = status;
    this.body = body;
  }
}

const overRest: Ask = async ({ url }, request) => {
  const reply = await respond(url, request);
  const text = await reply.text();
  if (reply.status !== 200) throw new Refusal(reply.status, JSON.parse(text)['error']);
  if (request['stream'] !== true) {
    const response = JSON.parse(text) as Json;
    checkResponse(response);
    return seenIn(response);
  }
  const events = eventsIn(text);
  checkEvents(events);
  return seenIn(events.at(-1)?.['response'] as Json);
};

const itemsOf = (
  output: readonly Item[],
): Pick<SeenResponse, 'types'> & Pick<Seen, 'text' | 'thinking' | 'toolCalls'> => {
  const found = { types: [] as string[], text: '', thinking: '', toolCalls: [] as Seen['toolCalls'] };
  for (const { kind } of output) {
    if (kind.case === 'message') {
      found.types.push('message');
      for (const { content } of kind.value.parts)
        if (content.case === 'text') found.text += content.value.text;
    } else if (kind.case === 'reasoning') {
      found.types.push('reasoning');
      for (const { text } of kind.value.parts) found.thinking += text;
    } else if (kind.case === 'toolCall') {
      found.types.push('function_call');
      const { id, name, arguments: args } = kind.value;
      found.toolCalls.push({ id, name, args: JSON.parse(args) });
    } else if (kind.case === 'opaque') {
      const { type } = JSON.parse(kind.value.json) as Json;
      found.types.push(
        kind.value.dialect === 'openai.responses' ? String(type) : `${kind.value.dialect}:${kind.value.type}`,
      );
    }
  }
  return found;
};

function seenInMessage(response: RpcResponse): SeenResponse {
  const { id, status, output, incompleteReason, usage } = response;
  const { types, ...said } = itemsOf(output);
  const finish =
    status === ResponseStatus.COMPLETED
      ? said.toolCalls.length > 0
        ? 'tool_calls'
        : 'stop'
      : incompleteReason.replace('max_output_tokens', 'length');
  return {
    id,
    status: ResponseStatus[status]?.toLowerCase() ?? '',
    types,
    seen: {
      ...said,
      finish,
      usage:
        usage === undefined
          ? null
          : {
              prompt: usage.promptTokens,
              completion: usage.completionTokens,
              total: usage.totalTokens,
              cached: usage.cachedTokens ?? 0,
              reasoning: usage.reasoningTokens ?? 0,
            },
    },
  };
}

const overRpc =
  (face: RpcFace): Ask =>
  async ({ url }, json) => {
    const client = createClient(ResponsesService, rpcTransports[face](url));
    const { parameters } = decodeResponseRequest(json);
    if (json['stream'] !== true) {
      const { response } = await client.createResponse({ parameters });
      const whole = response as RpcResponse;
      checkResponse(JSON.parse(encodeResponse(whole)));
      return seenInMessage(whole);
    }
    const events: Json[] = [];
    let last: RpcResponse | undefined;
    for await (const { event } of client.streamResponse({ parameters })) {
      if (event === undefined) throw new Error('an empty message');
      events.push(JSON.parse(encodeEvent(event, []).data));
      if (event.event.case === 'status') last = event.event.value;
    }
    checkEvents(events);
    return seenInMessage(last as RpcResponse);
  };

const faces = [
  ['REST', overRest],
  ['Connect', overRpc('Connect JSON over HTTP/1.1')],
  ['gRPC', overRpc('gRPC')],
] as const;

/** Passed and all, by face, provider and kind. */
const table = new Map<string, { passed: number; total: number }>();
function tally(face: string, { provider, endpoint, kind }: Recording): { passed: number; total: number } {
  const key = `${`${provider}/${endpoint}`.padEnd(24)} ${kind.padEnd(28)} ${face}`;
  const row = table.get(key) ?? { passed: 0, total: 0 };
  table.set(key, row);
  row.total++;
  return row;
}

const titled = (list: readonly Recording[]) => list.map((one) => [one.title, one] as const);

/** Without members that say nothing. */
function clean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== 'object' || value === null) return value;
  const known = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(known.map(([key, member]) => [key, clean(member)]));
}

/** Input in its one form: items have their type and no ids, which are their provider's business; texts are lists of parts. */
const typed = (input: unknown): Json[] =>
  (typeof input === 'string' ? [{ role: 'user', content: input }] : (input as Json[])).map((item) => {
    const { id: _, status: __, ...rest } = 'role' in item ? { type: 'message', ...item } : (item as Json);
    const { content } = rest;
    const isText = typeof content === 'string';
    return isText ? { ...rest, content: [{ type: 'input_text', text: content }] } : rest;
  });

/** A request but for its input, and for what is the gateway's to say: whether and what the provider keeps, and what goes on from where. */
function settings(request: Json): unknown {
  const { stream: _, previous_response_id: __, input: ___, store: ____, include: _____, ...rest } = request;
  return clean(rest);
}
const included = ({ include }: Json): unknown[] => (include ?? []) as unknown[];

const calls = [{ type: 'function', name: 'f', parameters: { type: 'object', properties: {} } }];

describe.skipIf(all.length === 0)('recorded answers', () => {
  afterAll(() => {
    const rows = [...table]
      .sort()
      .map(([key, { passed, total }]) => `${key.padEnd(64)} ${passed} / ${total}`);
    const left = all.filter(({ endpoint }) => elsewhere[endpoint] !== undefined);
    const byApi = Map.groupBy(left, ({ provider, endpoint }) => `${provider}/${endpoint}`);
    for (const [name, { length, 0: first }] of byApi) {
      rows.push(`${name.padEnd(24)} ${length} not replayed: ${elsewhere[first?.endpoint ?? '']}`);
    }
    console.log(rows.join('\n'));
  });

  test('there are some of each API', () => {
    expect([...new Set(own.map(({ provider }) => provider))].sort()).toEqual([
      'azure',
      'open-responses',
      'openai',
      'xai',
    ]);
    expect(own.length + chats.length).toBeGreaterThan(100);
  });

  describe.each(faces)('of the Responses API, on %s', (face, ask) => {
    test.each(titled(own.filter(isGood)))('%s', async (_title, recording) => {
      const row = tally(face, recording);
      byResponses.play(recording);
      const { derived, request: recorded, stream } = recording;
      const { json } = recorded;
      const request = { ...(json ?? { input: 'Hello' }), model: modelOf(recording), stream };
      // What it went on from is a response of the gateway's.
      const previous = json?.['previous_response_id'];
      const before = own.find(
        (one) => previous !== undefined && one !== recording && one.response.bytes.includes(String(previous)),
      );
      let history: Json[] = [];
      if (before !== undefined) {
        byResponses.play(before);
        const first = await ask(byResponses, { ...before.request.json, model: modelOf(before) });
        Object.assign(request, { previous_response_id: first.id });
        const { output } = JSON.parse(before.response.bytes.toString()) as { output: Json[] };
        history = [...typed(before.request.json?.['input']), ...output];
        byResponses.play(recording);
      }
      const { seen, status, types } = await ask(byResponses, request);
      expect(status).toBe(derived.finish);
      expect(types).toEqual((derived as { item_types?: string[] }).item_types);
      const usage = derived.usage as Record<string, Record<string, number> & number>;
      expect({ ...seen, thinking: derived.thinking ?? '' }).toEqual({
        text: derived.text ?? '',
        thinking: derived.thinking ?? '',
        toolCalls: derived.tool_calls ?? [],
        finish: derived.tool_calls === undefined ? 'stop' : 'tool_calls',
        usage: {
          prompt: usage['input_tokens'],
          completion: usage['output_tokens'],
          total: usage['total_tokens'],
          cached: usage['input_tokens_details']?.['cached_tokens'],
          reasoning: usage['output_tokens_details']?.['reasoning_tokens'],
        },
      });
      if (json !== null) {
        const wanted = settings(json);
        const got = settings(byResponses.asked());
        expect(got).toEqual(wanted);
        expect(included(byResponses.asked())).toEqual(expect.arrayContaining(included(json)));
        expect(typed(clean(byResponses.asked()['input']))).toEqual(
          typed(clean([...history, ...typed(json['input'])])),
        );
        expect(byResponses.asked()['stream'] ?? false).toBe(stream);
      }
      row.passed++;
    });

    test.each(titled(own.filter((one) => !isGood(one))))('error: %s', async (_title, recording) => {
      const row = tally(face, recording);
      byResponses.play(recording);
      const request = { model: modelOf(recording), input: 'Hello', stream: recording.stream };
      const error: unknown = await ask(byResponses, request).catch((cause: unknown) => cause);
      const { code = '', message = '' } = hidden(recording) ?? {};
      expect(String((error as Error).message)).toContain(message);
      if (error instanceof Refusal)
        expect(error).toMatchObject({ status: 429, body: { code: 'upstream_rate_limited' } });
      else {
        const [detail] = ConnectError.from(error).findDetails(ErrorDetailSchema);
        expect(ConnectError.from(error).code).toBe(Code.ResourceExhausted);
        expect(detail?.upstreamCode).toBe(code);
      }
      row.passed++;
    });
  });

  describe.each(faces)('of chat APIs, on %s', (face, ask) => {
    const requestOf = (recording: Recording): Json => ({
      model: modelOf(recording),
      input: 'Hello',
      stream: recording.stream,
      store: false,
      ...(recording.derived.tool_calls === undefined ? {} : { tools: calls }),
    });

    test.each(titled(chats.filter(isGood)))('%s', async (_title, recording) => {
      const row = tally(face, recording);
      byChat.play(recording);
      const wanted = expectedOf(recording);
      const { seen, status } = await ask(byChat, requestOf(recording));
      const ids = seen.toolCalls.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      expect(ids).not.toContain('');
      const toolCalls = seen.toolCalls.map((call, i) =>
        wanted.toolCalls[i]?.id === '' ? { ...call, id: '' } : call,
      );
      expect({ ...seen, toolCalls }).toEqual(wanted);
      expect(status).toBe(
        ['length', 'content_filter'].includes(wanted.finish ?? '') ? 'incomplete' : 'completed',
      );
      row.passed++;
    });

    test.each(titled(chats.filter((one) => !isGood(one))))('error: %s', async (_title, recording) => {
      const row = tally(face, recording);
      byChat.play(recording);
      const error: unknown = await ask(byChat, requestOf(recording)).catch((cause: unknown) => cause);
      const { status } = recording.response;
      // The key is the gateway's, so that its refusal is not the client's 401 or 403.
      const told = [401, 403].includes(status) ? 502 : status;
      if (error instanceof Refusal) {
        expect(error.status).toBe(told);
        expect(Object.keys(error.body).sort()).toEqual(['code', 'message', 'param', 'type']);
      } else {
        const [detail] = ConnectError.from(error).findDetails(ErrorDetailSchema);
        expect(detail?.upstreamStatus).toBe(status);
      }
      const words = String(recording.derived.error?.message).slice(0, 40);
      if (told !== 502)
        expect(String((error as Error).message)).toContain(JSON.stringify(words).slice(1, -1));
      row.passed++;
    });
  });
});
