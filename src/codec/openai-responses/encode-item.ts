import { type Message, type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import {
  type GatewayCall,
  type Item,
  type ReasoningItem,
  ResponseStatus,
} from '../../../gen/llmgateway/v1/responses_service_pb.js';
import { isCompaction } from '../../model/compaction.ts';
import { quote, rest } from '../json.ts';
import { encodeCompaction } from './compaction.ts';
import { dialectName, gatewayLabel } from './dialect.ts';
import { encodeContentPart, type Side } from './encode-content.ts';
import { ownMembers } from './extras.ts';
import { encodeForeignItem } from './foreign.ts';
import { wrapState } from './foreign-state.ts';
import { encodeStatus } from './status.ts';

const roles: Readonly<Partial<Record<Role, string>>> = {
  [Role.SYSTEM]: 'system',
  [Role.DEVELOPER]: 'developer',
  [Role.ASSISTANT]: 'assistant',
};

export interface ItemForm {
  /** Say all that answers and lists of stored items say: the status also where it isn't known ("completed"), contents as lists. */
  readonly complete: boolean;
  /** Say the opaque state of reasoning. */
  readonly withState: boolean;
}

/** One item as JSON text. */
export function encodeItem(item: Item, { complete, withState }: ItemForm): string {
  const { kind, extras } = item;
  const own = rest(ownMembers(extras));
  const id = item.id === '' ? '' : `"id":${quote(item.id)},`;
  const status = statusOf(item, complete);
  switch (kind.case) {
    case 'message':
      return `{${id}"type":"message"${status},${encodeMessage(kind.value, complete || item.id !== '')}${own}}`;
    case 'toolCall': {
      const { id: callId, name, custom, arguments: args } = kind.value;
      const type = custom ? 'custom_tool_call' : 'function_call';
      const body = custom ? 'input' : 'arguments';
      return `{${id}"type":"${type}"${status},"${body}":${quote(args)},"call_id":${quote(callId)},"name":${quote(name)}${own}}`;
    }
    case 'toolResult': {
      const { toolCallId, parts, multipart, custom } = kind.value;
      const type = custom ? 'custom_tool_call_output' : 'function_call_output';
      const output = encodeContents(parts, multipart, 'input');
      return `{${id}"type":"${type}"${status},"call_id":${quote(toolCallId)},"output":${output}${own}}`;
    }
    case 'reasoning':
      return `{${id}"type":"reasoning"${status},${encodeReasoning(kind.value, withState)}${own}}`;
    case 'reference':
      return `{"type":"item_reference","id":${quote(kind.value.id)}}`;
    case 'opaque':
      if (isCompaction(kind.value)) return `{${id}${encodeCompaction(kind.value)}}`;
      return kind.value.dialect === dialectName
        ? withId(kind.value.json, complete ? item.id : '')
        : encodeForeignItem(kind.value, id, encodeStatus(known(item.status)));
    case 'gatewayCall':
      return encodeGatewayCall(item.id, kind.value, known(item.status));
    default:
      return '{}';
  }
}

/** An object whose id is among its first members: nearly all that there are, and they may be large. */
const begunWithId = /^\{(?:"(?:type|status)":"\w*",){0,2}"id":"/;

/** What is stored has an id, though its client gave it none. */
function withId(json: string, id: string): string {
  if (id === '' || !json.startsWith('{"') || begunWithId.test(json)) return json;
  if (!json.includes('"id"')) return `{"id":${quote(id)},${json.slice(1)}`;
  const { id: given = null, ...others } = JSON.parse(json) as Record<string, unknown>;
  return given === null ? JSON.stringify({ id, ...others }) : json;
}

/** A call that the gateway answered looks as one that OpenAI had answered by an MCP server. */
function encodeGatewayCall(id: string, { call, result }: GatewayCall, status: ResponseStatus): string {
  const text = result === undefined ? null : result.parts.map(textOf).join('');
  const output = text === null || result?.isError === true ? 'null' : quote(text);
  const error = text === null || result?.isError !== true ? 'null' : quote(text);
  return (
    `{"id":${quote(id)},"type":"mcp_call","status":"${encodeStatus(status)}","server_label":"${gatewayLabel}",` +
    `"call_id":${quote(call?.id ?? '')},"name":${quote(call?.name ?? '')},"arguments":${quote(call?.arguments ?? '')},` +
    `"output":${output},"error":${error},"approval_request_id":null}`
  );
}

const textOf = ({ content }: Part): string => (content.case === 'text' ? content.value.text : '');

const known = (status: ResponseStatus): ResponseStatus =>
  status === ResponseStatus.UNSPECIFIED ? ResponseStatus.COMPLETED : status;

/** Reasoning has a status only where it was cut off. */
function statusOf({ status, kind }: Item, complete: boolean): string {
  if (kind.case === 'reasoning' && status !== ResponseStatus.INCOMPLETE) return '';
  const shown = complete ? known(status) : status;
  return shown === ResponseStatus.UNSPECIFIED ? '' : `,"status":"${encodeStatus(shown)}"`;
}

function encodeMessage({ role, parts, multipart }: Message, asList: boolean): string {
  const side: Side = role === Role.ASSISTANT ? 'output' : 'input';
  return `"role":"${roles[role] ?? 'user'}","content":${encodeContents(parts, multipart || asList, side)}`;
}

/** Parts as a text where that says all, else as a list. */
function encodeContents(parts: readonly Part[], multipart: boolean, side: Side): string {
  const only = parts[0];
  if (!multipart && parts.length === 1 && only !== undefined && isPlainText(only)) {
    return quote(only.content.case === 'text' ? only.content.value.text : '');
  }
  if (!multipart && parts.length === 0) return '""';
  return `[${parts.map((part) => encodeContentPart(part, side)).join(',')}]`;
}

const isPlainText = (part: Part): boolean =>
  part.content.case === 'text' &&
  part.cacheBreakpoint === undefined &&
  part.extras === undefined &&
  part.content.value.annotations.length === 0;

function encodeReasoning(item: ReasoningItem, withState: boolean): string {
  const texts = (type: string, summary: boolean): string =>
    item.parts
      .filter((part) => (part.summary || item.shownAsSummary) === summary && part.text !== '')
      .map(({ text }) => `{"type":"${type}","text":${quote(text)}}`)
      .join(',');
  const content = texts('reasoning_text', false);
  const state = withState ? wrapState(item) : '';
  const encrypted = state === '' ? '' : `,"encrypted_content":${quote(state)}`;
  return `"summary":[${texts('summary_text', true)}]${content === '' ? '' : `,"content":[${content}]`}${encrypted}`;
}
