import { type Message, type Part, Role, type ToolResult } from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import * as build from '../../model/build.ts';
import { splitMembers } from '../json.ts';
import type { EncodeContext } from './encode-context.ts';
import { PartsWriter } from './encode-parts.ts';
import { encodeResult } from './encode-results.ts';

/** The messages of a request. */
export interface EncodedMessages {
  /** The value of `systemInstruction`; '' for none. */
  readonly system: string;
  /** The value of `contents`. */
  readonly contents: string;
}

/**
 * Messages as contents. System and developer messages at the beginning are the instruction; a later one stays in its place, as
 * the user's: moved to the front it would change the prefix of the conversation, and with it what the provider has cached.
 * @throws GatewayError INVALID_REQUEST
 */
export function encodeMessages(messages: readonly Message[], context: EncodeContext): EncodedMessages {
  const isSystem = ({ role }: Message): boolean => role === Role.SYSTEM || role === Role.DEVELOPER;
  const first = messages.findIndex((message) => !isSystem(message));
  // A request of nothing but instructions has them as its only question.
  const begin = Math.max(first, 0);
  let system = '';
  for (let i = 0; i < begin; i++) {
    const parts = systemParts(messages[i] as Message, context, `messages[${i}]`);
    if (parts !== '') system += system === '' ? parts : `,${parts}`;
  }
  const writer = new ContentsWriter(context);
  for (let i = begin; i < messages.length; i++) writer.add(messages[i] as Message, `messages[${i}]`);
  const contents = writer.end();
  return { system: system === '' ? '' : `{"parts":[${system}],"role":"user"}`, contents };
}

function systemParts(message: Message, context: EncodeContext, at: string): string {
  const writer = new PartsWriter(context, at, true);
  for (const part of message.parts) {
    const { case: kind } = part.content;
    if (kind === 'image' || kind === 'audio' || kind === 'file') {
      throw invalidRequest(at, `Invalid '${at}': Gemini takes only text in system and developer messages.`);
    }
    writer.add(part);
  }
  context.members(message.extras, at);
  return writer.end();
}

type Speaker = 'user' | 'model' | 'results';

/** Contents of one speaker that follow each other are one; results of tools stay apart from what the user says. */
class ContentsWriter {
  readonly #context: EncodeContext;
  /** Names of the tools called so far, by the ids of the calls. */
  readonly #names = new Map<string, string>();
  #list = '';
  #speaker: Speaker | null = null;
  #parts = '';
  #members = '';
  /** Pictures and files of results, which follow when the last result of a row is written. */
  #media: { readonly part: Part; readonly at: string }[] = [];

  constructor(context: EncodeContext) {
    this.#context = context;
  }

  add(message: Message, at: string): void {
    const { role, parts, name, extras } = message;
    const members = this.#context.members(extras, at);
    if (name !== '' && role !== Role.TOOL && role !== Role.FUNCTION) {
      this.#context.warn('dropped_name', at, 'Gemini takes no names of participants');
    }
    if (role === Role.SYSTEM || role === Role.DEVELOPER) {
      this.#context.warn(
        'system_as_user',
        at,
        'Gemini takes system messages only at the beginning: sent as the user’s',
      );
    }
    if (role === Role.FUNCTION) return void this.#functionResult(message, at);
    const { inner, outer } = splitMembers(members, 'functionResponse');
    // What a model is answered within its own message comes after its calls, what a user says after the results.
    const model = role === Role.ASSISTANT;
    if (!model) this.#results(parts, name, inner, at);
    this.#others(parts, model, outer, at);
    if (model) this.#results(parts, name, inner, at);
  }

  #others(parts: readonly Part[], model: boolean, members: string, at: string): void {
    const others = parts.filter(({ content }) => content.case !== 'toolResult');
    if (others.length === 0) return;
    const writer = new PartsWriter(this.#context, at, model);
    for (const part of others) {
      const { content } = part;
      if (content.case === 'toolCall') this.#names.set(content.value.id, content.value.name);
      writer.add(part);
    }
    const written = writer.end();
    if (written === '' && !model) throw this.#context.emptied(at);
    this.#put(model ? 'model' : 'user', written, members);
  }

  end(): string {
    this.#flushMedia();
    this.#flush();
    return `[${this.#list}]`;
  }

  #results(parts: readonly Part[], name: string, members: string, at: string): void {
    for (const { content } of parts) {
      if (content.case === 'toolResult') this.#result(content.value, name, members, at);
    }
  }

  #result(result: ToolResult, name: string, members: string, at: string): void {
    const known = result.toolCallId === '' ? '' : (this.#names.get(result.toolCallId) ?? '');
    const named = [known, result.name, name].find((candidate) => candidate !== '') ?? '';
    const { part, media } = encodeResult(result, named, members, this.#context, at);
    this.#put('results', part, '');
    for (const picture of media) this.#media.push({ part: picture, at });
  }

  #functionResult(message: Message, at: string): void {
    const [only] = message.parts;
    const given = only?.content.case === 'toolResult' ? only.content.value : undefined;
    const result = given ?? build.toolResult('', message.parts);
    this.#result(result, message.name, '', at);
  }

  #put(speaker: Speaker, parts: string, members: string): void {
    if (parts === '') return;
    if (speaker !== 'results') this.#flushMedia();
    if (this.#speaker !== speaker || this.#members !== '' || members !== '') this.#flush();
    this.#speaker = speaker;
    this.#members = members;
    this.#parts += this.#parts === '' ? parts : `,${parts}`;
  }

  #flushMedia(): void {
    if (this.#media.length === 0) return;
    const media = this.#media;
    this.#media = [];
    for (const { part, at } of media) {
      const writer = new PartsWriter(this.#context, at, false);
      writer.add(part);
      this.#put('user', writer.end(), '');
    }
  }

  #flush(): void {
    if (this.#speaker === null) return;
    const role = this.#speaker === 'model' ? 'model' : 'user';
    const members = this.#members === '' ? '' : `,${this.#members}`;
    this.#list += `${this.#list === '' ? '' : ','}{"parts":[${this.#parts}],"role":"${role}"${members}}`;
    this.#speaker = null;
    this.#parts = '';
    this.#members = '';
  }
}
