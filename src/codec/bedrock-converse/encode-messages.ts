import { type Message, type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { callId } from '../ids.ts';
import { quote, rest } from '../json.ts';
import type { EncodeContext } from './encode-context.ts';
import { encodePart } from './encode-parts.ts';

/** `messages` and `system` of a request, as items of JSON lists without brackets. */
export interface EncodedMessages {
  readonly messages: string;
  readonly system: string;
  /** Names of the tools that earlier answers called, in order of appearance. */
  readonly calledTools: readonly string[];
  /** Whether there is any tool call or result. */
  readonly hasToolBlocks: boolean;
}

/**
 * Writes a conversation. In Converse instructions stand apart from it, and the two roles alternate: what follows in the same role, such as the
 * results of one round of tool calls, is one message.
 * @throws GatewayError INVALID_REQUEST when nothing is left to answer
 */
export function encodeMessages(messages: readonly Message[], context: EncodeContext): EncodedMessages {
  const encoder = new MessagesEncoder(context);
  for (let i = 0; i < messages.length; i++) encoder.add(messages[i] as Message, i);
  return encoder.end();
}

type ConverseRole = 'user' | 'assistant';

class MessagesEncoder {
  readonly #context: EncodeContext;
  readonly #calledTools = new Set<string>();
  /** Ids of legacy function calls, which have none of their own, by name. */
  readonly #functionIds = new Map<string, string>();
  #hasToolBlocks = false;
  #list = '';
  #system = '';
  /** The message that is being gathered. */
  #role: ConverseRole | null = null;
  #blocks = '';
  #members = '';

  constructor(context: EncodeContext) {
    this.#context = context;
  }

  add(message: Message, index: number): void {
    const at = `messages[${index}]`;
    if (message.name !== '' && message.role !== Role.FUNCTION && message.role !== Role.TOOL) {
      this.#context.warn('dropped_name', at, 'the provider takes no names of participants');
    }
    if (message.role !== Role.SYSTEM && message.role !== Role.DEVELOPER) this.#say(message, index, at);
    else if (this.#role === null) this.#instruct(message, at);
    else {
      // Put before the conversation, it would change the prefix that the provider has cached.
      this.#context.warn(
        'system_as_user',
        at,
        'the provider takes instructions only at the beginning: they are sent as the user',
      );
      this.#say(message, index, at);
    }
  }

  end(): EncodedMessages {
    this.#flush();
    if (this.#list === '') {
      throw invalidRequest('messages', "Invalid 'messages': the provider needs something said by the user");
    }
    return {
      messages: this.#list,
      system: this.#system,
      calledTools: [...this.#calledTools],
      hasToolBlocks: this.#hasToolBlocks,
    };
  }

  #instruct(message: Message, at: string): void {
    // Members of the message have no place: the blocks of all instructions are one list.
    if (message.extras !== undefined)
      this.#context.warn('dropped_extras', at, 'instructions are no message here');
    this.#system = this.#add(this.#system, message, at, (part) => part);
  }

  #say(message: Message, index: number, at: string): void {
    const role: ConverseRole = message.role === Role.ASSISTANT ? 'assistant' : 'user';
    const members = this.#context.extraMembers(message.extras, at, ['role', 'content']);
    const before = role === this.#role ? this.#blocks : '';
    const blocks = this.#add(before, message, at, (part, i) => this.#identified(part, message, index, i));
    if (blocks === before) {
      // An assistant that said nothing is left out; a user's words cannot be.
      if (role === 'assistant') return;
      const field = `${at}.content`;
      throw invalidRequest(field, `Invalid '${field}': the provider takes no empty message`);
    }
    if (role !== this.#role) {
      this.#flush();
      this.#role = role;
    }
    this.#blocks = blocks;
    if (members !== '') this.#members += this.#members === '' ? members : `,${members}`;
  }

  /** @param change what becomes of a part before it is written */
  #add(list: string, { parts, role }: Message, at: string, change: (part: Part, i: number) => Part): string {
    let blocks = list;
    for (let i = 0; i < parts.length; i++) {
      const part = change(parts[i] as Part, i);
      const place = `${at}.content[${i}]`;
      const item = encodePart(part, this.#context, place, role === Role.ASSISTANT);
      if (item !== '') blocks += blocks === '' ? item : `,${item}`;
      // A cache point marks what is before it.
      if (blocks === '') continue;
      const point = this.#context.cachePoint(part.cacheBreakpoint, place);
      if (point !== '') blocks += `,${point}`;
    }
    return blocks;
  }

  /** Notes tool calls and results, and gives an id to legacy functions, whose results find their calls by name. */
  #identified(part: Part, message: Message, index: number, i: number): Part {
    const { content } = part;
    if (content.case === 'toolCall') {
      const call = content.value;
      this.#hasToolBlocks = true;
      this.#calledTools.add(call.name);
      if (call.id !== '') return part;
      const id = callId('history', index, i);
      this.#functionIds.set(call.name, id);
      return { ...part, content: { case: 'toolCall', value: { ...call, id } } };
    }
    if (content.case !== 'toolResult') return part;
    this.#hasToolBlocks = true;
    const result = content.value;
    if (result.toolCallId !== '') return part;
    const name = result.name === '' ? message.name : result.name;
    const toolCallId = this.#functionIds.get(name);
    if (toolCallId === undefined) {
      throw invalidRequest(
        `messages[${index}]`,
        `Invalid 'messages[${index}]': no call of function ${quote(name)} comes before it`,
      );
    }
    return { ...part, content: { case: 'toolResult', value: { ...result, toolCallId } } };
  }

  #flush(): void {
    if (this.#blocks !== '') {
      const message = `{"role":"${this.#role}","content":[${this.#blocks}]${rest(this.#members)}}`;
      this.#list += this.#list === '' ? message : `,${message}`;
    }
    this.#blocks = '';
    this.#members = '';
  }
}
