import { Code, ConnectError } from '@connectrpc/connect';
import { expect } from 'vitest';
import { ErrorDetailSchema, ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import type { ChatFace } from './faces.ts';
import { chatClient, type RpcFace } from './gateway.ts';

/** A session as REST shows it. */
export interface RestSession {
  readonly id: string;
  readonly messages: readonly Record<string, unknown>[];
  readonly context: Record<string, unknown>;
  readonly created_at: string;
  readonly expires_at: string;
}

export interface RestError {
  readonly error: { message: string; type: string; param: string | null; code: string | null };
}

const send = (method: string, url: string, body?: unknown): Promise<Response> =>
  fetch(url, {
    method,
    ...(body === undefined
      ? {}
      : {
          headers: { 'content-type': 'application/json' },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
  });

/** The session routes of a gateway. */
export const sessionsAt = (url: string) => ({
  post: (body: unknown) => send('POST', `${url}/v1/sessions`, body),
  get: (id: string) => send('GET', `${url}/v1/sessions/${id}`),
  delete: (id: string) => send('DELETE', `${url}/v1/sessions/${id}`),
  list: (query = '') => send('GET', `${url}/v1/sessions${query}`),
  /** Makes one that is sure to be wanted. */
  async make(body: unknown = {}): Promise<RestSession> {
    const response = await send('POST', `${url}/v1/sessions`, body);
    expect(response.status).toBe(201);
    return (await response.json()) as RestSession;
  },
  async read(id: string): Promise<RestSession> {
    const response = await send('GET', `${url}/v1/sessions/${id}`);
    expect(response.status).toBe(200);
    return (await response.json()) as RestSession;
  },
  /** What was said, as `role: text`. */
  async said(id: string): Promise<string[]> {
    const response = await send('GET', `${url}/v1/sessions/${id}`);
    const { messages } = (await response.json()) as RestSession;
    return messages.map(({ role, content }) => `${role}: ${content}`);
  },
  /** Says something on REST. */
  chat: (body: Record<string, unknown>, init: RequestInit = {}): Promise<Response> =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      ...init,
      headers: { 'content-type': 'application/json', ...init.headers },
      body: JSON.stringify({ model: 'fake/echo', ...body }),
    }),
});

export const user = (content: string) => ({ role: 'user', content });

export interface Saying {
  readonly sessionId: string;
  readonly text: string;
  readonly model?: string;
  readonly stream?: boolean;
  readonly signal?: AbortSignal;
  /** Called at every piece of text. */
  readonly onText?: () => void;
}

/** What came of it: the answer's text, and the failure as status or code and reason. */
export interface Said {
  readonly text: string;
  readonly failure: string;
}

/** Says something in a session on any face. Never rejects. */
export async function say(face: ChatFace, url: string, saying: Saying): Promise<Said> {
  try {
    return face === 'REST' ? await sayOnRest(url, saying) : await sayOnRpc(face, url, saying);
  } catch (cause) {
    if (face === 'REST') return { text: '', failure: 'client' };
    const error = ConnectError.from(cause);
    const [detail] = error.findDetails(ErrorDetailSchema);
    return {
      text: '',
      failure: `${Code[error.code]} ${ErrorReason[detail?.reason ?? 0]} ${detail?.field ?? ''}`.trim(),
    };
  }
}

async function sayOnRest(
  url: string,
  { sessionId, text, stream, model, signal, onText }: Saying,
): Promise<Said> {
  const response = await sessionsAt(url).chat(
    { model: model ?? 'fake/echo', session_id: sessionId, stream: stream ?? false, messages: [user(text)] },
    { signal: signal ?? null },
  );
  const failureOf = ({ error }: RestError): string =>
    `${response.status} ${error.code ?? error.type} ${error.param ?? ''}`.trim();
  if (!stream || response.status !== 200) {
    const json = (await response.json()) as RestError & { choices: { message: { content: string } }[] };
    if (response.status !== 200) return { text: '', failure: failureOf(json) };
    return { text: json.choices[0]!.message.content, failure: '' };
  }
  let said = '';
  let failure = '';
  let rest = '';
  let done = false;
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const frames = `${rest}${chunk}`.split('\n\n');
    rest = frames.pop() ?? '';
    for (const frame of frames) {
      if (!frame.startsWith('data: ')) continue;
      if (frame === 'data: [DONE]') {
        done = true;
        continue;
      }
      const json = JSON.parse(frame.slice(6));
      if (json.error) failure = failureOf(json);
      said += json.choices?.[0]?.delta?.content ?? '';
      if (said !== '') onText?.();
    }
  }
  return { text: said, failure: failure === '' && !done ? 'cut' : failure };
}

async function sayOnRpc(
  face: RpcFace,
  url: string,
  { sessionId, text, stream, model, signal, onText }: Saying,
): Promise<Said> {
  const client = chatClient(face, url);
  const request = {
    model: model ?? 'fake/echo',
    options: { sessionId },
    messages: [{ role: Role.USER, parts: [{ content: { case: 'text' as const, value: { text } } }] }],
  };
  const options = signal === undefined ? {} : { signal };
  let said = '';
  if (!stream) {
    const { choices } = await client.createChatCompletion(request, options);
    for (const { content } of choices[0]?.message?.parts ?? []) {
      if (content.case === 'text') said += content.value.text;
    }
    return { text: said, failure: '' };
  }
  let done = false;
  for await (const { event } of client.streamChatCompletion(request, options)) {
    if (event.case === 'delta') {
      said += event.value.text;
      onText?.();
    }
    if (event.case === 'finished') done = true;
  }
  return { text: said, failure: done ? '' : 'cut' };
}
