import { Code, ConnectError } from '@connectrpc/connect';
import type { ContextReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorDetailSchema, ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { type Face, isRest, type RestFace } from './faces.ts';
import { chatClient, type RpcFace } from './gateway.ts';

/** A call whose context matters. */
export interface Asking {
  readonly model?: string;
  readonly text: string;
  readonly stream?: boolean;
  /** X-CMS-Mode, as header or metadata. */
  readonly mode?: string | undefined;
  /** `options.cms_mode`, on RPC only. */
  readonly option?: string | undefined;
  readonly sessionId?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** How full the context is, as the headers say. */
export interface Told {
  readonly routed: string | null;
  readonly tier: string | null;
  readonly count: string | null;
  readonly limit: string | null;
  readonly headroom: string | null;
}

export interface Answered {
  readonly text: string;
  readonly told: Told;
  /** Codes of the report's warnings. */
  readonly warnings: string;
  /** As RPC reports tell it; null on REST. */
  readonly report: ContextReport | null;
  /** '' when nothing failed: status or code, and reason. */
  readonly failure: string;
  readonly message: string;
}

const toldBy = (headers: Headers): Told => ({
  routed: headers.get('X-CMS-Routed'),
  tier: headers.get('X-CMS-Tier'),
  count: headers.get('X-Token-Count'),
  limit: headers.get('X-Token-Limit'),
  headroom: headers.get('X-Headroom-Pct'),
});
const untold: Told = toldBy(new Headers());

/** Asks on any face. Never rejects, but for calls that were given up. */
export const askOn = (face: Face, url: string, asking: Asking): Promise<Answered> =>
  isRest(face) ? askRest(face, url, asking) : askRpc(face, url, asking);

async function askRest(face: RestFace, url: string, asking: Asking): Promise<Answered> {
  const { model = 'fake/echo', text, stream = false, mode, sessionId, timeoutMs, signal } = asking;
  const path = face === 'REST' ? 'chat/completions' : 'messages';
  const response = await fetch(`${url}/v1/${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(mode === undefined ? {} : { 'X-CMS-Mode': mode }),
      ...(sessionId === undefined ? {} : { 'x-session-id': sessionId }),
      ...(timeoutMs === undefined ? {} : { 'x-request-timeout-ms': String(timeoutMs) }),
    },
    body: JSON.stringify({ model, stream, max_tokens: 9_999, messages: [{ role: 'user', content: text }] }),
    signal: signal ?? null,
  });
  const { status, headers } = response;
  const body = await response.text();
  const base = { told: toldBy(headers), warnings: headers.get('x-warnings') ?? '', report: null };
  if (status !== 200) {
    const { error } = JSON.parse(body);
    return { ...base, text: '', failure: `${status} ${error.code ?? error.type}`, message: error.message };
  }
  const frames = stream
    ? body.split('\n').flatMap((line) => (line.startsWith('data: {') ? [JSON.parse(line.slice(6))] : []))
    : [JSON.parse(body)];
  let said = '';
  for (const frame of frames) {
    said += frame.choices?.[0]?.delta?.content ?? frame.choices?.[0]?.message?.content ?? '';
    said += frame.delta?.text ?? frame.content?.[0]?.text ?? '';
  }
  return { ...base, text: said, failure: '', message: '' };
}

async function askRpc(face: RpcFace, url: string, asking: Asking): Promise<Answered> {
  const { model = 'fake/echo', text, stream = false, mode, option, sessionId, timeoutMs, signal } = asking;
  const client = chatClient(face, url);
  const options = {
    ...(option === undefined ? {} : { cmsMode: option }),
    ...(sessionId === undefined ? {} : { sessionId }),
  };
  const request = {
    model,
    messages: [{ role: Role.USER, parts: [{ content: { case: 'text' as const, value: { text } } }] }],
    ...(Object.keys(options).length === 0 ? {} : { options }),
  };
  let told = untold;
  /** What was told by the time that the first message came. */
  let early = untold;
  const callOptions = {
    headers: mode === undefined ? {} : { 'x-cms-mode': mode },
    onHeader: (headers: Headers) => void (told = toldBy(headers)),
    ...(signal === undefined ? {} : { signal }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
  let said = '';
  let report: ContextReport | null = null;
  let warnings = '';
  try {
    if (!stream) {
      const response = await client.createChatCompletion(request, callOptions);
      for (const { content } of response.choices[0]?.message?.parts ?? []) {
        if (content.case === 'text') said += content.value.text;
      }
      report = response.callReport?.context ?? null;
      warnings = response.callReport?.warnings.map(({ code }) => code).join(', ') ?? '';
    } else {
      for await (const { event } of client.streamChatCompletion(request, callOptions)) {
        if (event.case === 'started') early = told;
        if (event.case === 'delta') said += event.value.text;
        if (event.case !== 'finished') continue;
        report = event.value.callReport?.context ?? null;
        warnings = event.value.callReport?.warnings.map(({ code }) => code).join(', ') ?? '';
      }
      told = early;
    }
  } catch (cause) {
    const error = ConnectError.from(cause);
    const [detail] = error.findDetails(ErrorDetailSchema);
    const failure = `${Code[error.code]} ${ErrorReason[detail?.reason ?? 0]}`;
    return { text: '', told, warnings, report, failure, message: error.rawMessage };
  }
  return { text: said, told, warnings, report, failure: '', message: '' };
}
