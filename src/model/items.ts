import {
  type Extras,
  type Message,
  type Part,
  type ReasoningPart,
  Role,
  type ToolCall,
} from '../../gen/llmgateway/v1/message_pb.js';
import type { Item } from '../../gen/llmgateway/v1/responses_service_pb.js';
import * as build from './build.ts';
import { item as buildItem, reasoningItem } from './build-responses.ts';
import { isCompaction, messageOfCompaction } from './compaction.ts';
import { attachSignatures, thoughtSignatureFormat } from './picture-signatures.ts';

// Two views of one conversation. Items are what the responses API lists: each thing said, thought, called or answered by itself. Messages
// are turns: all that the model produced until somebody else speaks is one message, in its order.

/** Key of a part's extras under which the extras of its item are. */
export const itemKey = 'item';

/** Kinds of items of OpenAI that are the model's, besides those whose name ends in `_call`. */
const modelsKinds: ReadonlySet<string> = new Set([
  'mcp_list_tools',
  'mcp_approval_request',
  'compaction',
  'program',
  'tool_search_output',
]);

const isModels = (type: string): boolean => type.endsWith('_call') || modelsKinds.has(type);

/** Items as turns. Items that refer to stored ones must have been replaced by those. */
export function messagesOf(items: readonly Item[]): Message[] {
  const messages: Message[] = [];
  /** The turn of the model's that goes on. */
  let turn: Message | null = null;
  /** The calls that the gateway answered last. */
  let round = null as { readonly number: number; readonly asked: Message } | null;
  for (const item of items) {
    const { kind } = item;
    if (kind.case === 'gatewayCall') {
      const { call, result } = kind.value;
      if (call === undefined || result === undefined) continue;
      const answer = build.message(Role.TOOL, [build.part({ case: 'toolResult', value: result })]);
      // A call that was approved stands already in the turn that made it, and waits for its answer there.
      const waiting = round?.number === kind.value.round ? -1 : placeOfResult(messages, call);
      if (waiting !== -1) {
        messages.splice(waiting, 0, answer);
        turn = round = null;
        continue;
      }
      // Calls of one round stand together, and so do their answers.
      if (round?.number !== kind.value.round) {
        const asked: Message = turn ?? build.message(Role.ASSISTANT, []);
        if (turn === null) messages.push(asked);
        round = { number: kind.value.round, asked };
      }
      round.asked.parts.push(build.part({ case: 'toolCall', value: call }));
      messages.push(answer);
      turn = null;
      continue;
    }
    round = null;
    const parts = partsOfTurn(item);
    if (parts !== null) {
      if (turn === null || startsAnew(item, turn)) messages.push((turn = build.message(Role.ASSISTANT, [])));
      turn.parts.push(...parts);
      if (item.kind.case === 'message') turn.multipart ||= item.kind.value.multipart;
      continue;
    }
    turn = null;
    const message = messageOf(item);
    if (message !== null) messages.push(message);
  }
  for (const message of messages) {
    if (message.role === Role.ASSISTANT) message.parts = attachSignatures(message.parts);
  }
  return messages;
}

/** Where the result of a call belongs that the model's last turn made and nobody has answered; -1 when there is none. */
function placeOfResult(messages: readonly Message[], { id, name }: ToolCall): number {
  const last = messages.findLastIndex(({ role }) => role === Role.ASSISTANT);
  const made = messages[last]?.parts.some(
    ({ content: { case: kind, value } }) => kind === 'toolCall' && value.id === id && value.name === name,
  );
  if (!made) return -1;
  let at = last + 1;
  for (; messages[at]?.role === Role.TOOL; at++) {
    const answers = messages[at]?.parts.some(
      ({ content: { case: kind, value } }) => kind === 'toolResult' && value.toolCallId === id,
    );
    if (answers) return -1;
  }
  return at;
}

/** Two messages without id would run into one. */
const startsAnew = ({ id, kind }: Item, turn: Message): boolean =>
  kind.case === 'message' && id === '' && turn.parts.some(({ content }) => content.case === 'text');

/** What an item adds to a turn of the model's; null when it is somebody else's. */
function partsOfTurn(item: Item): Part[] | null {
  const { kind } = item;
  switch (kind.case) {
    case 'message':
      return kind.value.role === Role.ASSISTANT ? withItem(kind.value.parts, item) : null;
    case 'toolCall':
      return withItem([build.part({ case: 'toolCall', value: { ...kind.value } })], item);
    case 'reasoning':
      return withItem(reasoningParts(item.id, kind.value.parts, kind.value.encryptedContent), item);
    case 'opaque':
      if (isCompaction(kind.value)) return null;
      // What other dialects have as items is what their providers' own tools did.
      return isModels(kind.value.type) || kind.value.dialect !== 'openai.responses'
        ? withItem([build.part({ case: 'opaque', value: kind.value })], item)
        : null;
    default:
      return null;
  }
}

/** The pieces of an item of reasoning; what only its provider can read is on the last one. */
function reasoningParts(id: string, parts: readonly ReasoningPart[], encrypted: string): Part[] {
  // A thought signature with an id is that of a call or a picture.
  const isNamed = ({ id: own, format }: ReasoningPart): boolean =>
    own !== '' || format === thoughtSignatureFormat;
  const pieces = parts.map((value) => (isNamed(value) ? value : { ...value, id }));
  if (encrypted !== '') {
    const last = pieces.pop() ?? build.reasoning('', { id, summary: true });
    pieces.push({ ...last, encrypted, format: last.format === '' ? 'openai-responses-v1' : last.format });
  } else if (pieces.length === 0 && id !== '') {
    pieces.push(build.reasoning('', { id, summary: true, format: 'openai-responses-v1' }));
  }
  return pieces.map((value) => build.part({ case: 'reasoning', value }));
}

/** Parts that know their item. */
function withItem(parts: readonly Part[], { id, extras }: Item): Part[] {
  return parts.map((part, i) => {
    const own: Part = id === '' ? { ...part } : { ...part, itemId: id };
    if (i === 0 && extras !== undefined) {
      const members = own.extras?.dialect === extras.dialect ? JSON.parse(own.extras.json) : {};
      own.extras = build.extras(
        extras.dialect,
        JSON.stringify({ ...members, [itemKey]: JSON.parse(extras.json) }),
      );
    }
    return own;
  });
}

/** An item of the user's, the operator's or a tool's as a message; null for one that says nothing. */
function messageOf(item: Item): Message | null {
  const { kind, extras } = item;
  const rest = extras === undefined ? {} : { extras };
  switch (kind.case) {
    case 'message': {
      const parts =
        item.id === '' ? kind.value.parts : kind.value.parts.map((part) => ({ ...part, itemId: item.id }));
      return { ...kind.value, ...rest, parts };
    }
    case 'toolResult':
      return build.message(
        Role.TOOL,
        withItem([build.part({ case: 'toolResult', value: kind.value })], item),
      );
    case 'opaque':
      if (isCompaction(kind.value)) return messageOfCompaction(kind.value);
      return build.message(Role.USER, withItem([build.part({ case: 'opaque', value: kind.value })], item), {
        multipart: true,
      });
    default:
      return null;
  }
}

/** Messages as items: the reverse of messagesOf. Items get the ids that their parts know, others none. */
export function itemsOf(messages: readonly Message[]): Item[] {
  const items: Item[] = [];
  for (const message of messages) {
    if (message.role === Role.ASSISTANT) pushTurn(message, items);
    else if (message.role === Role.TOOL || message.role === Role.FUNCTION) pushResults(message, items);
    else pushOther(message, items);
  }
  return items;
}

function pushOther(message: Message, items: Item[]): void {
  const only = message.parts.length === 1 ? message.parts[0] : undefined;
  if (
    only?.content.case === 'opaque' &&
    only.content.value.dialect === 'openai.responses' &&
    only.itemId !== undefined
  ) {
    items.push(buildItem(only.itemId, { case: 'opaque', value: only.content.value }));
    return;
  }
  const { extras, ...value } = message;
  const item = buildItem(message.parts[0]?.itemId ?? '', { case: 'message', value });
  if (extras !== undefined) item.extras = extras;
  items.push(item);
}

function pushResults(message: Message, items: Item[]): void {
  const results = message.parts.filter(({ content }) => content.case === 'toolResult');
  if (results.length === 0) {
    // A legacy function's result: matched by name.
    const value = build.toolResult('', message.parts, { name: message.name, multipart: message.multipart });
    items.push(buildItem('', { case: 'toolResult', value }));
  }
  for (const part of results) {
    if (part.content.case !== 'toolResult') continue;
    items.push(
      withExtras(buildItem(part.itemId ?? '', { case: 'toolResult', value: part.content.value }), part),
    );
  }
}

/** Groups of a turn's parts become items: texts of one message, pieces of one reasoning. */
function pushTurn(turn: Message, items: Item[]): void {
  const { parts } = turn;
  for (let i = 0; i < parts.length; ) {
    const first = parts[i] as Part;
    let end = i + 1;
    while (end < parts.length && belongTogether(first, parts[end] as Part)) end++;
    items.push(withExtras(itemOf(parts.slice(i, end), turn.multipart), first));
    i = end;
  }
}

const isSaid = ({ content }: Part): boolean =>
  content.case !== 'reasoning' && content.case !== 'toolCall' && !isItem(content);

/** Whether a part is an item by itself, of a kind that the model does not know. */
export const isItem = (content: Part['content']): boolean =>
  content.case === 'opaque' && (content.value.dialect !== 'openai.responses' || isModels(content.value.type));

function belongTogether(first: Part, next: Part): boolean {
  if (first.content.case === 'reasoning' && next.content.case === 'reasoning') {
    const id = first.content.value.id;
    return id !== '' && id === next.content.value.id;
  }
  return isSaid(first) && isSaid(next) && first.itemId === next.itemId;
}

function itemOf(parts: readonly Part[], multipart: boolean): Item {
  const first = parts[0] as Part;
  const { content } = first;
  const id = first.itemId ?? '';
  if (content.case === 'toolCall') return buildItem(id, { case: 'toolCall', value: content.value });
  if (content.case === 'reasoning') return itemOfReasoning(parts, content.value.id || id);
  if (content.case === 'opaque' && isItem(content)) {
    return buildItem(id, { case: 'opaque', value: content.value });
  }
  const own = parts.map(withoutItem);
  return buildItem(id, { case: 'message', value: build.message(Role.ASSISTANT, own, { multipart }) });
}

function itemOfReasoning(parts: readonly Part[], id: string): Item {
  const pieces = parts.flatMap(({ content }) => (content.case === 'reasoning' ? [content.value] : []));
  const last = pieces.at(-1);
  if (last === undefined || last.format !== 'openai-responses-v1') {
    return buildItem(id, { case: 'reasoning', value: reasoningItem(pieces) });
  }
  const own = pieces.map((piece) => ({ ...piece, encrypted: '' })).filter(({ text }) => text !== '');
  return buildItem(id, { case: 'reasoning', value: reasoningItem(own, last.encrypted) });
}

function withExtras(item: Item, part: Part): Item {
  const extras = itemExtras(part);
  if (extras !== undefined) item.extras = extras;
  return item;
}

/** The extras of the item that begins with a part. */
export function itemExtras({ extras }: Part): Extras | undefined {
  if (extras === undefined || !extras.json.includes(`"${itemKey}"`)) return undefined;
  const members: unknown = (JSON.parse(extras.json) as Record<string, unknown>)[itemKey];
  return members === undefined ? undefined : build.extras(extras.dialect, JSON.stringify(members));
}

/** A part as it is within its item. */
export function withoutItem(part: Part): Part {
  const { itemId: _, extras, ...rest } = part;
  if (extras === undefined) return rest;
  const { [itemKey]: __, ...members } = JSON.parse(extras.json) as Record<string, unknown>;
  return Object.keys(members).length === 0
    ? rest
    : { ...rest, extras: build.extras(extras.dialect, JSON.stringify(members)) };
}
