import { type Message, type OpaquePart, type Part, Role } from '../../gen/llmgateway/v1/message_pb.js';
import { dialectName } from '../codec/openai-responses/dialect.ts';
import * as build from '../model/build.ts';

// What clients did for tools that only OpenAI's models have (apply_patch, shell, …) as others can be told of it.

type Json = Readonly<Record<string, unknown>>;

/** What became of the outputs of such tools. */
export interface PlainOutputs {
  readonly messages: Message[];
  /** Names of tools of whose calls and outputs only the plain text is left. */
  readonly simplified: readonly string[];
  /** Types of items that say nothing in plain text: left out, with what they answer. */
  readonly dropped: readonly string[];
  /** Place of the first message since the model spoke, when nothing of those is left; otherwise -1. */
  readonly unsaid: number;
}

/** Messages in which such calls that were answered stand as plain text, after the results of functions called beside them. */
export function withPlainOutputs(messages: readonly Message[]): PlainOutputs {
  const simplified: string[] = [];
  const dropped: string[] = [];
  const answered = new Set<Part>();
  const calls = callsIn(messages);
  const out: Message[] = [];
  let waiting: Message[] = [];
  for (const message of messages) {
    const output = outputIn(message);
    if (output === null) {
      if (message.role !== Role.TOOL) {
        out.push(...waiting);
        waiting = [];
      }
      out.push(message);
      continue;
    }
    const json = jsonOf(output);
    const call = calls.get(answeredBy(json));
    if (call !== undefined) answered.add(call);
    const said = textOf(json);
    const name = output.type.replace(/_call_output$/, '');
    if (said === '') dropped.push(output.type);
    else {
      simplified.push(name);
      waiting.push(build.message(Role.USER, [build.textPart(`${asked(name, call)}Output: ${said}`)]));
    }
  }
  out.push(...waiting);
  const left = answered.size === 0 ? out : out.flatMap((message) => without(message, answered));
  return { messages: left, simplified, dropped, unsaid: unsaidFrom(messages) };
}

/** The message without some of its parts; nothing where these were all. */
function without(message: Message, some: ReadonlySet<Part>): Message[] {
  const parts = message.parts.filter((part) => !some.has(part));
  if (parts.length === message.parts.length) return [message];
  return parts.length === 0 ? [] : [{ ...message, parts }];
}

function outputIn({ role, parts: [only, ...others] }: Message): OpaquePart | null {
  if (role !== Role.USER || only?.content.case !== 'opaque' || others.length > 0) return null;
  const { value } = only.content;
  const isOutput = value.type.endsWith('_call_output') || value.type === 'mcp_approval_response';
  return isOutput && value.dialect === dialectName ? value : null;
}

/** The calls of such tools, by what answers them; of several the first. */
function callsIn(messages: readonly Message[]): ReadonlyMap<string, Part> {
  const calls = new Map<string, Part>();
  for (const { parts } of messages) {
    for (const part of parts) {
      const { content } = part;
      if (content.case !== 'opaque' || content.value.dialect !== dialectName) continue;
      const { type } = content.value;
      const isRequest = type === 'mcp_approval_request';
      if (!isRequest && !type.endsWith('_call')) continue;
      const { call_id: callId, id } = jsonOf(content.value);
      const answer = isRequest ? 'mcp_approval_response' : `${type}_output`;
      for (const key of isRequest ? [id] : [callId, id]) {
        if (key !== undefined && !calls.has(`${answer} ${key}`)) calls.set(`${answer} ${key}`, part);
      }
    }
  }
  return calls;
}

/** What an output answers, as `callsIn` has it. */
const answeredBy = ({ type, approval_request_id: request, call_id: callId, id }: Json): string =>
  `${type} ${type === 'mcp_approval_response' ? request : (callId ?? id)}`;

const jsonOf = ({ json }: OpaquePart): Json => JSON.parse(json) as Json;

/** What was called, with what it was to do; '' where that is not known. */
function asked(name: string, call: Part | undefined): string {
  if (call?.content.case !== 'opaque') return `${name}: `;
  const { operation, action } = jsonOf(call.content.value);
  return `Call of ${name}: ${JSON.stringify(operation ?? action ?? {})}\n`;
}

/** What an output says in plain text; of a patch without one, whether it was applied. */
function textOf({ type, output, status }: Json): string {
  const own = Array.isArray(output) ? output.map(pieceOf).filter(Boolean).join('\n') : output;
  if (typeof own === 'string' && own !== '') return own;
  return type === 'apply_patch_call_output' && typeof status === 'string' ? status : '';
}

/** A text, or what a command wrote and how it ended. */
function pieceOf(piece: unknown): string {
  if (typeof piece !== 'object' || piece === null) return '';
  const { text, stdout, stderr, outcome } = piece as Json;
  const { type, exit_code: code } = (outcome ?? {}) as Json;
  const end = type === 'timeout' ? 'timed out' : typeof code === 'number' ? `exit code ${code}` : '';
  return [text, stdout, stderr, end].filter((one) => typeof one === 'string' && one !== '').join('\n');
}

function unsaidFrom(messages: readonly Message[]): number {
  const first = messages.findLastIndex(({ role }) => role === Role.ASSISTANT) + 1;
  const isUnsaid = (message: Message): boolean => {
    const output = outputIn(message);
    return output !== null && textOf(jsonOf(output)) === '';
  };
  return first < messages.length && messages.slice(first).every(isUnsaid) ? first : -1;
}
