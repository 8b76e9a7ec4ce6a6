import { Code, ConnectError } from '@connectrpc/connect';
import type { CreateChatCompletionResponse } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorDetailSchema, ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { Message } from '../../gen/llmgateway/v1/message_pb.js';
import { decodeChatRequest } from '../../src/codec/openai-chat/decode-request.ts';
import { Assembler } from '../../src/model/assemble.ts';
import type { StreamEvent } from '../../src/model/events.ts';
import type { Face } from './faces.ts';
import { isRest } from './faces.ts';
import { chatClient } from './gateway.ts';
import type { Json } from './scripted-model.ts';

/** Faces that see the rounds of a call in ways of their own. */
export const toolFaces: readonly Face[] = [
  'REST',
  "Anthropic's messages",
  'Connect JSON over HTTP/1.1',
  'gRPC',
];

/** What a client saw of an answer. */
export interface Seen {
  readonly text: string;
  /** Id, name and arguments of the calls that it is to answer. */
  readonly calls: readonly (readonly [id: string, name: string, args: unknown])[];
  /** In OpenAI's words. */
  readonly finish: string;
  readonly usage: { readonly input: number; readonly output: number };
  /** `status reason field`; '' for none. */
  readonly failure: string;
  /** Events of a stream on RPC. */
  readonly events: readonly StreamEvent[];
  /** On RPC. */
  readonly toolMessages: readonly Message[];
  /** The frames of a stream on REST, parsed. */
  readonly frames: readonly Json[];
  /** The stream came to its proper end. */
  readonly complete: boolean;
}

const nothing: Seen = {
  text: '',
  calls: [],
  finish: '',
  usage: { input: 0, output: 0 },
  failure: '',
  events: [],
  toolMessages: [],
  frames: [],
  complete: false,
};

export interface Asking {
  readonly stream?: boolean;
  readonly signal?: AbortSignal;
  readonly headers?: Record<string, string>;
  /** Called with each event or frame. */
  readonly onEvent?: (event: unknown) => void;
}

/**
 * Makes one call on any face. Never rejects.
 * @param body as for POST /v1/chat/completions; for the other faces it is turned into theirs
 */
export async function ask(face: Face, url: string, body: Json, asking: Asking = {}): Promise<Seen> {
  try {
    if (!isRest(face)) return await askRpc(face, url, body, asking);
    return await askRest(url, face === 'REST' ? body : toMessages(body), face !== 'REST', asking);
  } catch (cause) {
    if (isRest(face)) return { ...nothing, failure: 'client' };
    return { ...nothing, failure: failureOf(cause) };
  }
}

function failureOf(cause: unknown): string {
  const error = ConnectError.from(cause);
  const [detail] = error.findDetails(ErrorDetailSchema);
  return `${Code[error.code]} ${ErrorReason[detail?.reason ?? 0]} ${detail?.field ?? ''}`.trim();
}

/** The same in Anthropic's form: text, tools, calls and results. */
function toMessages(body: Json): Json {
  const {
    messages,
    tools,
    tool_choice: choice,
    ...rest
  } = body as { messages: Json[]; tools?: Json[] } & Json;
  const turns: { role: string; content: unknown[] }[] = [];
  for (const { role, content, tool_calls: calls, tool_call_id: id } of messages) {
    const blocks: unknown[] = [];
    if (role === 'tool') blocks.push({ type: 'tool_result', tool_use_id: id, content });
    else if (content) blocks.push({ type: 'text', text: content });
    for (const call of (calls ?? []) as { id: string; function: { name: string; arguments: string } }[]) {
      const { name, arguments: args } = call.function;
      blocks.push({ type: 'tool_use', id: call.id, name, input: JSON.parse(args) });
    }
    const speaker = role === 'assistant' ? 'assistant' : 'user';
    const last = turns.at(-1);
    if (last?.role === speaker) last.content.push(...blocks);
    else turns.push({ role: speaker, content: blocks });
  }
  return {
    max_tokens: 100,
    ...rest,
    messages: turns.map(({ role, content: blocks }) => ({ role, content: plain(blocks) })),
    ...(tools === undefined
      ? {}
      : {
          tools: tools.map(({ function: f }) => {
            const { name, description, parameters } = f as Json;
            return { name, description, input_schema: parameters ?? { type: 'object' } };
          }),
        }),
    ...(choice === 'required' ? { tool_choice: { type: 'any' } } : {}),
  };
}

/** A text alone as a string. */
const plain = (blocks: unknown[]): unknown => {
  const [only] = blocks as { type: string; text?: string }[];
  return blocks.length === 1 && only?.type === 'text' ? only.text : blocks;
};

async function askRest(url: string, body: Json, anthropic: boolean, asking: Asking): Promise<Seen> {
  const { stream = false, signal, headers, onEvent } = asking;
  const streaming = stream && !anthropic ? { stream, stream_options: { include_usage: true } } : { stream };
  const response = await fetch(`${url}/v1/${anthropic ? 'messages' : 'chat/completions'}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ ...body, ...streaming }),
    signal: signal ?? null,
  });
  const failed = (error: Json): string =>
    `${response.status} ${error['code'] ?? error['type']} ${error['param'] ?? ''}`.trim();
  if (response.status !== 200) {
    return { ...nothing, failure: failed(((await response.json()) as { error: Json }).error) };
  }
  if (!stream) {
    const json = (await response.json()) as Json;
    return { ...nothing, ...(anthropic ? ofMessage(json) : ofCompletion(json)), complete: true };
  }
  const frames: Json[] = [];
  let complete = false;
  let rest = '';
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    const parts = `${rest}${piece}`.split('\n\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      const data = part.slice(part.indexOf('data: ') + 6);
      if (part.startsWith(':')) continue;
      if (data === '[DONE]') complete = true;
      else {
        const frame = JSON.parse(data) as Json;
        if (frame['type'] === 'message_stop') complete = true;
        frames.push(frame);
        onEvent?.(frame);
      }
    }
  }
  const error = frames.find((frame) => frame['error'] !== undefined)?.['error'] as Json | undefined;
  const seen = anthropic ? ofMessageFrames(frames) : ofChunks(frames);
  return { ...nothing, ...seen, frames, complete, failure: error === undefined ? '' : failed(error) };
}

type Part = Partial<Seen>;

function ofCompletion(json: Json): Part {
  const [choice] = json['choices'] as { message: Json; finish_reason: string }[];
  const used = json['usage'] as Record<string, number>;
  return {
    text: (choice!.message['content'] as string | null) ?? '',
    calls: ((choice!.message['tool_calls'] ?? []) as ToolCallJson[]).map((call) => [
      call.id,
      call.function.name,
      JSON.parse(call.function.arguments),
    ]),
    finish: choice!.finish_reason,
    usage: { input: used['prompt_tokens']!, output: used['completion_tokens']! },
  };
}

interface ToolCallJson {
  readonly id: string;
  readonly function: { readonly name: string; readonly arguments: string };
}

const finishes: Record<string, string> = { end_turn: 'stop', tool_use: 'tool_calls', max_tokens: 'length' };

function ofMessage(json: Json): Part {
  const blocks = json['content'] as Json[];
  const used = json['usage'] as Record<string, number>;
  return {
    text: blocks.map(({ text }) => text ?? '').join(''),
    calls: blocks
      .filter(({ type }) => type === 'tool_use')
      .map(({ id, name, input }) => [id as string, name as string, input]),
    finish: finishes[json['stop_reason'] as string] ?? String(json['stop_reason']),
    usage: { input: used['input_tokens']!, output: used['output_tokens']! },
  };
}

function ofChunks(frames: readonly Json[]): Part {
  let text = '';
  let finish = '';
  const calls: { id: string; name: string; args: string }[] = [];
  let usage = nothing.usage;
  for (const frame of frames) {
    const used = frame['usage'] as Record<string, number> | null | undefined;
    if (used) usage = { input: used['prompt_tokens']!, output: used['completion_tokens']! };
    for (const { delta, finish_reason: reason } of (frame['choices'] ?? []) as {
      delta: Json;
      finish_reason: string | null;
    }[]) {
      text += delta['content'] ?? '';
      finish += reason ?? '';
      for (const { index, id, function: f } of (delta['tool_calls'] ?? []) as {
        index: number;
        id?: string;
        function: { name?: string; arguments: string };
      }[]) {
        calls[index] ??= { id: id!, name: f.name!, args: '' };
        calls[index].args += f.arguments;
      }
    }
  }
  return { text, finish, usage, calls: calls.map(({ id, name, args }) => [id, name, JSON.parse(args)]) };
}

function ofMessageFrames(frames: readonly Json[]): Part {
  const blocks: { block: Json; text: string; json: string; ended: boolean }[] = [];
  let end: Json = {};
  let usage = nothing.usage;
  for (const frame of frames) {
    const at = frame['index'] as number;
    const delta = frame['delta'] as Json;
    switch (frame['type']) {
      case 'content_block_start':
        // One after another, numbered without a gap.
        if (at !== blocks.length || blocks.some(({ ended }) => !ended)) throw new Error('blocks overlap');
        blocks.push({ block: frame['content_block'] as Json, text: '', json: '', ended: false });
        break;
      case 'content_block_delta':
        blocks[at]!.text += delta['text'] ?? '';
        blocks[at]!.json += delta['partial_json'] ?? '';
        break;
      case 'content_block_stop':
        blocks[at]!.ended = true;
        break;
      case 'message_delta': {
        end = delta;
        const used = frame['usage'] as Record<string, number>;
        usage = { input: used['input_tokens']!, output: used['output_tokens']! };
        break;
      }
      default:
    }
  }
  return {
    text: blocks.map(({ text }) => text).join(''),
    calls: blocks
      .filter(({ block }) => block['type'] === 'tool_use')
      .map(({ block, json }) => [block['id'] as string, block['name'] as string, JSON.parse(json)]),
    finish: finishes[end['stop_reason'] as string] ?? String(end['stop_reason'] ?? ''),
    usage,
  };
}

async function askRpc(
  face: Exclude<Face, 'REST' | "Anthropic's messages">,
  url: string,
  body: Json,
  { stream, signal, onEvent }: Asking,
): Promise<Seen> {
  const client = chatClient(face, url);
  const empty = (body['messages'] as unknown[]).length === 0;
  const session = { gatewayTools: null, sessionId: 'x' };
  const { request } = decodeChatRequest(body, session);
  const { $typeName: _, ...init } = request;
  const options = signal === undefined ? {} : { signal };
  if (empty && request.messages.length > 0) throw new Error('messages came from nowhere');
  if (!stream)
    return { ...nothing, ...ofResponse(await client.createChatCompletion(init, options)), complete: true };
  const events: StreamEvent[] = [];
  const assembler = new Assembler();
  let failure = '';
  try {
    for await (const event of client.streamChatCompletion(init, options)) {
      events.push(event);
      assembler.add([event]);
      onEvent?.(event);
    }
  } catch (cause) {
    failure = failureOf(cause);
  }
  return { ...nothing, ...ofResponse(assembler.response()), events, failure, complete: assembler.finished };
}

const finishWords: Partial<Record<FinishReason, string>> = {
  [FinishReason.STOP]: 'stop',
  [FinishReason.TOOL_CALLS]: 'tool_calls',
  [FinishReason.LENGTH]: 'length',
};

function ofResponse({ choices, usage, toolMessages }: CreateChatCompletionResponse): Part {
  const [choice] = choices;
  let text = '';
  const calls: [string, string, unknown][] = [];
  for (const { content } of choice?.message?.parts ?? []) {
    if (content.case === 'text') text += content.value.text;
    if (content.case === 'toolCall') {
      const { id, name, arguments: args } = content.value;
      calls.push([id, name, JSON.parse(args)]);
    }
  }
  return {
    text,
    calls,
    finish: finishWords[choice?.finishReason ?? FinishReason.UNSPECIFIED] ?? '',
    usage: { input: usage?.promptTokens ?? 0, output: usage?.completionTokens ?? 0 },
    toolMessages,
  };
}

/** What a stream's events tell of tools, in order: `> name(arguments)` and `< text`. */
export function toolEvents(events: readonly StreamEvent[]): string[] {
  return events.flatMap(({ event }) => {
    if (event.case === 'toolExecutionStarted') {
      return [`${event.value.round} > ${event.value.call?.name}(${event.value.call?.arguments})`];
    }
    if (event.case !== 'toolExecutionFinished') return [];
    const text = (event.value.result?.parts ?? []).map(({ content }) =>
      content.case === 'text' ? content.value.text : `[${content.case}]`,
    );
    return [`${event.value.round} < ${text.join('')}`];
  });
}
