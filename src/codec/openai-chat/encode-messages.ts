import { type Message, type Part, Role, type ToolResult } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { quote, rest, splitMembers } from '../json.ts';
import { encodeAnnotations, isForeign } from './annotations.ts';
import { encodeAnswerImage } from './answer-images.ts';
import type { EncodeContext } from './encode-context.ts';
import { encodeContent, encodePart, nothing } from './encode-parts.ts';
import { encodeDetails, isOpaqueDetail, reasoningText } from './reasoning.ts';

/** The `messages` of a request as JSON text. */
export function encodeMessages(messages: readonly Message[], context: EncodeContext): string {
  const encoder = new MessagesEncoder(context);
  for (let i = 0; i < messages.length; i++) encoder.add(messages[i] as Message, `messages[${i}]`);
  return encoder.end();
}

/** Tool results stand between other parts in some dialects; here each is a message, right after the calls. */
class MessagesEncoder {
  readonly #context: EncodeContext;
  #list = '';
  /** Pictures and files of tool results, which follow when the last result of a row is written. */
  #media = '';

  constructor(context: EncodeContext) {
    this.#context = context;
  }

  add(message: Message, at: string): void {
    switch (message.role) {
      case Role.ASSISTANT:
        this.#flushMedia();
        this.#push(encodeAssistant(message, this.#context, at));
        this.#results(message, at);
        return;
      case Role.TOOL:
        this.#results(message, at);
        this.#others(message, at, 'user');
        return;
      case Role.FUNCTION:
        this.#flushMedia();
        this.#push(encodeFunction(message, this.#context, at));
        return;
      default:
        this.#results(message, at);
        this.#others(message, at, this.#roleName(message.role));
    }
  }

  end(): string {
    this.#flushMedia();
    return `[${this.#list}]`;
  }

  #roleName(role: Role): string {
    if (role === Role.SYSTEM) return 'system';
    if (role === Role.DEVELOPER)
      return this.#context.dialect.developerRole === 'keep' ? 'developer' : 'system';
    return 'user';
  }

  /** @param message '' for one of which nothing is left */
  #push(message: string): void {
    if (message === '') return;
    this.#list += this.#list === '' ? message : `,${message}`;
  }

  #flushMedia(): void {
    if (this.#media === '') return;
    this.#push(`{"role":"user","content":[${this.#media}]}`);
    this.#media = '';
  }

  #results(message: Message, at: string): void {
    for (const { content } of message.parts) {
      if (content.case === 'toolResult') this.#result(content.value, message, at);
    }
  }

  #result(result: ToolResult, message: Message, at: string): void {
    const { parts } = result;
    if (result.isError) {
      this.#context.warn('dropped_is_error', at, 'the provider is told what a tool said, not that it failed');
    }
    const inline = this.#context.dialect.toolResultMedia === 'inline' || !parts.some(isMedia);
    const texts = inline ? parts : parts.filter((part) => !isMedia(part));
    let content = encodeContent(texts, result.multipart && inline, false, this.#context, at);
    if (content === nothing) {
      if (texts.length > 0) this.#refuseEmptied(texts.length === parts.length, at);
      content = '""';
    }
    if (!inline) {
      for (const part of parts) {
        const item = isMedia(part) ? encodePart(part, this.#context, at, false) : '';
        if (item !== '') this.#media += this.#media === '' ? item : `,${item}`;
      }
    }
    const own = message.role === Role.TOOL;
    const name = own && message.name !== '' ? `,"name":${quote(message.name)}` : '';
    const members = own ? this.#context.members(message.extras, at) : '';
    this.#push(
      `{"role":"tool","tool_call_id":${quote(result.toolCallId)},"content":${content}${name}${rest(members)}}`,
    );
  }

  /** @param all what has no place was all that was said */
  #refuseEmptied(all: boolean, at: string): void {
    if (all && !this.#context.lenient) throw this.#context.emptied(at);
  }

  /** What a message holds besides tool results. */
  #others(message: Message, at: string, role: string): void {
    const hasResults = message.parts.some(isResult);
    const parts = hasResults ? message.parts.filter((part) => !isResult(part)) : message.parts;
    if (message.role === Role.TOOL && parts.length === 0) return;
    this.#flushMedia();
    if (hasResults && parts.length === 0) return;
    const content = encodeContent(parts, message.multipart, false, this.#context, at);
    if (content === nothing && parts.length > 0) {
      this.#refuseEmptied(!hasResults, at);
      if (hasResults) return;
    }
    const members = message.role === Role.TOOL ? '' : this.#context.members(message.extras, at);
    const name = message.name === '' || message.role === Role.TOOL ? '' : `,"name":${quote(message.name)}`;
    this.#push(`{"role":"${role}","content":${content}${name}${rest(members)}}`);
  }
}

const isResult = ({ content }: Part): boolean => content.case === 'toolResult';

const isMedia = ({ content }: Part): boolean =>
  content.case === 'image' || content.case === 'file' || content.case === 'audio';

function encodeFunction(message: Message, context: EncodeContext, at: string): string {
  const result = message.parts.find(isResult)?.content;
  const value = result?.case === 'toolResult' ? result.value : undefined;
  const parts = value?.parts ?? message.parts;
  let content =
    parts.length === 0
      ? 'null'
      : encodeContent(parts, value?.multipart ?? message.multipart, true, context, at);
  if (content === nothing) {
    if (!context.lenient) throw context.emptied(at);
    content = 'null';
  }
  const name = message.name === '' ? (value?.name ?? '') : message.name;
  return `{"role":"function","name":${quote(name)},"content":${content}${rest(context.members(message.extras, at))}}`;
}

/** An earlier answer; '' for one of which nothing is left. */
function encodeAssistant(message: Message, context: EncodeContext, at: string): string {
  const said: Part[] = [];
  let refusal = '';
  let calls = '';
  let functionCall = '';
  let audio = '';
  let images = '';
  let thinks = false;
  for (const part of message.parts) {
    const { content } = part;
    switch (content.case) {
      case 'reasoning':
        thinks = true;
        break;
      case 'toolCall':
        if (content.value.legacy && functionCall === '') functionCall = encodeFunctionCall(part, context, at);
        else calls += `${calls === '' ? '' : ','}${encodeToolCall(part, context, at)}`;
        thinks ||= content.value.signature !== '';
        break;
      case 'toolResult':
        break;
      case 'audio': {
        const spoken = encodeSpoken(part);
        if (spoken !== '') audio = spoken;
        else said.push(...sayable(part, message, context, at));
        break;
      }
      case 'image':
        if (context.dialect.historyImages === 'send')
          images += `${images === '' ? '' : ','}${encodeAnswerImage(part)}`;
        else context.warn('dropped_part', at, 'the provider does not take pictures of earlier answers back');
        break;
      case 'refusal':
        if (message.multipart) said.push(part);
        else refusal += content.value.text;
        break;
      default:
        if (isOpaqueDetail(part)) thinks = true;
        else said.push(context.simplified(part, at));
    }
  }
  const content =
    said.length === 0 && !message.multipart
      ? nothingSaid(message)
      : encodeContent(said, message.multipart, true, context, at);
  let json = '';
  if (refusal !== '') json += `,"refusal":${quote(refusal)}`;
  json += encodeHistory(message.parts, thinks, calls !== '', context, at);
  json += encodeSources(said, context, at);
  if (audio !== '') json += `,"audio":${audio}`;
  if (images !== '') json += `,"images":[${images}]`;
  if (calls !== '') json += `,"tool_calls":[${calls}]`;
  if (functionCall !== '') json += `,"function_call":${functionCall}`;
  json += rest(context.members(message.extras, at));
  const silent = content === nothing || content === 'null';
  if (silent && json === '' && !context.lenient) return '';
  const name = message.name === '' ? '' : `,"name":${quote(message.name)}`;
  return `{"role":"assistant","content":${content === nothing ? 'null' : content}${name}${json}}`;
}

/** An answer without any content is refused by OpenAI, where nothing stands in for it. */
const nothingSaid = ({ parts }: Message): string => (parts.length === 0 ? '""' : 'null');

/** The reasoning of an earlier answer, as far as the provider takes it back. */
function encodeHistory(
  parts: readonly Part[],
  thinks: boolean,
  calls: boolean,
  context: EncodeContext,
  at: string,
): string {
  const { historyReasoning, reasoningKey } = context.dialect;
  if (!thinks) return historyReasoning === 'required' && calls ? `,"${reasoningKey}":""` : '';
  if (historyReasoning === 'drop') {
    context.warn('dropped_reasoning', at, 'the provider does not take reasoning back');
    return '';
  }
  const details = encodeDetails(parts);
  if (reasoningKey === 'reasoning' && details !== '') return `,"reasoning_details":${details}`;
  if (details !== '') {
    context.warn('dropped_reasoning_state', at, 'the provider takes back the text of reasoning only');
  }
  const text = reasoningText(parts);
  return text === '' && !(historyReasoning === 'required' && calls)
    ? ''
    : `,"${reasoningKey}":${quote(text)}`;
}

function encodeSources(said: readonly Part[], context: EncodeContext, at: string): string {
  let shift = 0;
  let items = '';
  for (const { content } of said) {
    if (content.case !== 'text') continue;
    if (content.value.annotations.some(isForeign)) {
      context.warn('dropped_annotations', at, 'cited sources of another form have no place in openai.chat');
    }
    const more = encodeAnnotations(content.value.annotations, shift);
    if (more !== '') items += items === '' ? more : `,${more}`;
    shift += content.value.text.length;
  }
  if (items === '') return '';
  if (context.dialect.historyAnnotations === 'send') return `,"annotations":[${items}]`;
  context.warn('dropped_annotations', at, 'the provider does not take cited sources back');
  return '';
}

/** The id of a spoken answer, which stands for it; '' when there is none. */
function encodeSpoken(part: Part): string {
  if (part.content.case !== 'audio') return '';
  const { source, answerId } = part.content.value;
  const id = source.case === 'id' ? source.value : answerId;
  return id === '' ? '' : `{"id":${quote(id)}}`;
}

/** Sound of an earlier answer that has no id: its transcript, unless the client wrote it among others in a list. */
function sayable(part: Part, { multipart }: Message, context: EncodeContext, at: string): Part[] {
  if (multipart || part.content.case !== 'audio') return [part];
  const transcript = context.transcribed(part.content.value, at, true, 'a spoken answer goes back by its id');
  return transcript === '' ? [] : [build.textPart(transcript)];
}

/** One of `tool_calls`. */
export function encodeToolCall(part: Part, context: EncodeContext, at: string): string {
  if (part.content.case !== 'toolCall') return '';
  const { id, name, arguments: args, custom } = part.content.value;
  const type = custom ? 'custom' : 'function';
  const { inner, outer } = splitMembers(context.members(part.extras, at), type);
  return (
    `{"id":${quote(id)},"type":"${type}","${type}":{"name":${quote(name)},` +
    `"${custom ? 'input' : 'arguments'}":${quote(args)}${rest(inner)}}${rest(outer)}}`
  );
}

/** The value of `function_call`. */
function encodeFunctionCall(part: Part, context: EncodeContext, at: string): string {
  if (part.content.case !== 'toolCall') return '';
  const { name, arguments: args } = part.content.value;
  const { inner, outer } = splitMembers(context.members(part.extras, at), 'function_call');
  if (outer !== '') context.warn('dropped_extras', at, 'keys of a tool call have no place in function_call');
  return `{"name":${quote(name)},"arguments":${quote(args)}${rest(inner)}}`;
}
