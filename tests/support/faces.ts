import { Code, ConnectError } from '@connectrpc/connect';
import { ErrorDetailSchema, ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { chatClient, type RpcFace, rpcTransports } from './gateway.ts';

/** What a client saw of a call. */
export interface Outcome {
  /** Text of the first answer, as far as it came. */
  readonly text: string;
  /** The answer came to its proper end: a whole body, `[DONE]`, or the event `finished`. */
  readonly complete: boolean;
  /** What failed; null when nothing did. */
  readonly failure: Failure | null;
  /** Reply headers on REST. */
  readonly headers: Headers | null;
}

export interface Failure {
  /** HTTP status on REST (200 when the failure came inside a stream), code on RPC. */
  readonly status: number | string;
  /** ErrorReason as a word; on REST OpenAI's code, or type when that is null; on Anthropic's routes its type. */
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

export type RestFace = 'REST' | "Anthropic's messages";
export type Face = RestFace | RpcFace;
export const faces: readonly Face[] = [
  'REST',
  "Anthropic's messages",
  ...(Object.keys(rpcTransports) as RpcFace[]),
];
/** Those that tell errors in OpenAI's words or as codes of RPC. */
export type ChatFace = 'REST' | RpcFace;
export const chatFaces: readonly ChatFace[] = ['REST', ...(Object.keys(rpcTransports) as RpcFace[])];

export const isRest = (face: Face): face is RestFace => face === 'REST' || face === "Anthropic's messages";

export interface CallOptions {
  readonly stream: boolean;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly text?: string;
  /** Called with the text so far whenever some came. */
  readonly onText?: (text: string) => void;
}

/** Makes one chat call on any face. Never rejects. */
export async function callFace(
  face: Face,
  url: string,
  model: string,
  options: CallOptions,
): Promise<Outcome> {
  if (!isRest(face)) return callRpc(face, url, model, options);
  try {
    return await (face === 'REST' ? callRest : callMessages)(url, model, options);
  } catch (error) {
    return { ...nothing, failure: { status: 'client', reason: 'client', message: String(error), field: '' } };
  }
}

const nothing: Outcome = { text: '', complete: false, failure: null, headers: null };

async function callRest(url: string, model: string, options: CallOptions): Promise<Outcome> {
  const { stream, signal, timeoutMs, text = 'Hello' } = options;
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(timeoutMs === undefined ? {} : { 'x-request-timeout-ms': String(timeoutMs) }),
    },
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: text }] }),
    signal: signal ?? null,
  });
  const { status, headers } = response;
  if (!stream || status !== 200) {
    const json = JSON.parse(await response.text());
    if (status !== 200) return { ...nothing, headers, failure: failureOf(status, json.error) };
    return { text: json.choices[0].message.content ?? '', complete: true, failure: null, headers };
  }
  const outcome = { text: '', complete: false, failure: null as Failure | null, headers };
  let rest = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const frames = `${rest}${chunk}`.split('\n\n');
    rest = frames.pop() ?? '';
    for (const frame of frames) {
      if (!frame.startsWith('data: ')) continue;
      const data = frame.slice(6);
      if (data === '[DONE]') outcome.complete = true;
      else {
        const json = JSON.parse(data);
        if (json.error) outcome.failure = failureOf(status, json.error);
        outcome.text += json.choices?.[0]?.delta?.content ?? '';
      }
    }
    if (outcome.text !== '') options.onText?.(outcome.text);
  }
  return outcome;
}

async function callMessages(url: string, model: string, options: CallOptions): Promise<Outcome> {
  const { stream, signal, timeoutMs, text = 'Hello' } = options;
  const response = await fetch(`${url}/v1/messages`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(timeoutMs === undefined ? {} : { 'x-request-timeout-ms': String(timeoutMs) }),
    },
    body: JSON.stringify({ model, stream, max_tokens: 100, messages: [{ role: 'user', content: text }] }),
    signal: signal ?? null,
  });
  const { status, headers } = response;
  const failed = ({ type, message }: { type: string; message: string }): Failure => ({
    status,
    reason: type,
    message,
    field: '',
  });
  if (!stream || status !== 200) {
    const json = JSON.parse(await response.text());
    if (status !== 200) return { ...nothing, headers, failure: failed(json.error) };
    const said = json.content.map((block: { text?: string }) => block.text ?? '').join('');
    return { text: said, complete: true, failure: null, headers };
  }
  const outcome = { text: '', complete: false, failure: null as Failure | null, headers };
  let rest = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const frames = `${rest}${chunk}`.split('\n\n');
    rest = frames.pop() ?? '';
    for (const frame of frames) {
      const json = JSON.parse(frame.slice(frame.indexOf('\ndata: ') + 7));
      if (json.type === 'message_stop') outcome.complete = true;
      if (json.type === 'error') outcome.failure = failed(json.error);
      outcome.text += json.delta?.text ?? '';
    }
    if (outcome.text !== '') options.onText?.(outcome.text);
  }
  return outcome;
}

const failureOf = (
  status: number,
  error: { code: string | null; type: string; message: string; param: string | null },
): Failure => ({
  status,
  reason: error.code ?? error.type,
  message: error.message,
  field: error.param ?? '',
});

async function callRpc(face: RpcFace, url: string, model: string, options: CallOptions): Promise<Outcome> {
  const { stream, signal, timeoutMs, text = 'Hello' } = options;
  const client = chatClient(face, url);
  const request = {
    model,
    messages: [{ role: Role.USER, parts: [{ content: { case: 'text' as const, value: { text } } }] }],
  };
  const callOptions = {
    ...(signal === undefined ? {} : { signal }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
  const outcome = { text: '', complete: false, failure: null as Failure | null, headers: null };
  try {
    if (!stream) {
      const { choices } = await client.createChatCompletion(request, callOptions);
      for (const part of choices[0]?.message?.parts ?? []) {
        if (part.content.case === 'text') outcome.text += part.content.value.text;
      }
      outcome.complete = true;
    } else {
      for await (const { event } of client.streamChatCompletion(request, callOptions)) {
        if (event.case === 'delta') {
          outcome.text += event.value.text;
          options.onText?.(outcome.text);
        }
        if (event.case === 'finished') outcome.complete = true;
      }
    }
  } catch (cause) {
    const error = ConnectError.from(cause);
    const [detail] = error.findDetails(ErrorDetailSchema);
    outcome.failure = {
      status: Code[error.code],
      reason: detail === undefined ? '' : ErrorReason[detail.reason].toLowerCase(),
      message: error.rawMessage,
      field: detail?.field ?? '',
    };
  }
  return outcome;
}
