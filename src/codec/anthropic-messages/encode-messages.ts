import { type Message, type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { quote, rest } from '../json.ts';
import { dialectName } from './dialect.ts';
import { encodeBlock, encodeBlocks, encodeHeard, isPlainText, textOf } from './encode-blocks.ts';
import type { EncodeContext } from './encode-context.ts';

/** The conversation as members of a body. */
export interface EncodedMessages {
  /** JSON text of `system`; '' for none. */
  readonly system: string;
  /** JSON text of `messages`. */
  readonly messages: string;
}

/**
 * The instructions at the beginning become `system`; what follows stays in its order.
 * @throws GatewayError INVALID_REQUEST
 */
export function encodeMessages(messages: readonly Message[], context: EncodeContext): EncodedMessages {
  let first = 0;
  while (first < messages.length && isInstruction(messages[first] as Message)) first++;
  const encoder = new MessagesEncoder(context);
  // A conversation needs somebody who speaks.
  if (first === messages.length) {
    context.warn(
      'system_as_user',
      'messages',
      'Anthropic needs a message besides instructions: they are sent as one',
    );
    encoder.turn(messages, 0);
    return { system: '', messages: encoder.end() };
  }
  const leading = messages.slice(0, first);
  reportMembers(leading, 0, context);
  const system = first === 0 ? '' : encodeInstructions(leading, 0, context);
  for (let i = first; i < messages.length; i++) {
    if (!isInstruction(messages[i] as Message)) {
      encoder.add(messages[i] as Message, `messages[${i}]`);
      continue;
    }
    let end = i + 1;
    while (end < messages.length && isInstruction(messages[end] as Message)) end++;
    encoder.instruct(messages.slice(i, end), i, messages[end]);
    i = end - 1;
  }
  return { system, messages: encoder.end() };
}

const isInstruction = ({ role }: Message): boolean => role === Role.SYSTEM || role === Role.DEVELOPER;

/** Instructions as text, or as blocks where text does not say all. @param at number of the first among the messages */
function encodeInstructions(messages: readonly Message[], at: number, context: EncodeContext): string {
  const [only] = messages;
  if (only !== undefined && messages.length === 1) return encodeContent(only, `messages[${at}]`, context);
  return `[${instructionBlocks(messages, at, context)}]`;
}

function instructionBlocks(messages: readonly Message[], at: number, context: EncodeContext): string {
  let blocks = '';
  messages.forEach((message, i) => {
    reportName(message, `messages[${at + i}]`, context);
    blocks = join(blocks, encodeBlocks(message.parts, context, `messages[${at + i}].content`));
  });
  return blocks;
}

/** Members of messages that are no messages any more. */
function reportMembers(messages: readonly Message[], at: number, context: EncodeContext): void {
  messages.forEach(({ extras }, i) => {
    const field = `messages[${at + i}]`;
    if (context.members(extras, field) !== '') {
      context.warn('dropped_extras', field, 'keys of a message have no place where it is part of another');
    }
  });
}

function encodeContent(message: Message, at: string, context: EncodeContext): string {
  const { parts, multipart } = message;
  reportName(message, at, context);
  const [only] = parts;
  if (!multipart && only === undefined) return '""';
  if (!multipart && only !== undefined && parts.length === 1 && isPlainText(only)) return quote(textOf(only));
  const place = `${at}.content`;
  if (message.role === Role.USER) return `[${encodeHeard(parts, context, place)}]`;
  return `[${encodeBlocks(parts, context, place, message.role === Role.ASSISTANT)}]`;
}

function reportName({ name }: Message, at: string, context: EncodeContext): void {
  if (name !== '') context.warn('dropped_name', `${at}.name`, 'Anthropic knows no names of participants');
}

const join = (list: string, more: string): string => {
  if (list === '' || more === '') return list + more;
  return `${list},${more}`;
};

/**
 * Tool results are messages of their own in some dialects; here they stand at the beginning of the user's next message. What is
 * the user's and not written yet is held until it is known what follows.
 */
class MessagesEncoder {
  readonly #context: EncodeContext;
  #list = '';
  /** Role of the last message that was written. */
  #last: 'user' | 'assistant' | 'system' | '' = '';
  /** Blocks of the user's turn that is held: results, and what comes after them. */
  #results = '';
  #others = '';

  constructor(context: EncodeContext) {
    this.#context = context;
  }

  add(message: Message, at: string): void {
    switch (message.role) {
      case Role.ASSISTANT:
        this.#assistant(message, at);
        break;
      case Role.TOOL:
        this.#tool(message, at);
        break;
      case Role.FUNCTION:
        if (message.parts.some(isNameless)) {
          throw invalidRequest(
            `${at}.role`,
            `Invalid '${at}.role': Anthropic takes results of tools only with the id of the call, and no call comes before it.`,
          );
        }
        this.#tool(message, at);
        break;
      default:
        this.#user(message, at);
    }
  }

  /** Instructions in the middle, from `first` on, and the message after them. */
  instruct(messages: readonly Message[], first: number, next: Message | undefined): void {
    const { model } = this.#context;
    const afterUser = this.#holds || this.#last === 'user';
    const placed = afterUser && (next === undefined || next.role === Role.ASSISTANT);
    const [only] = messages;
    if (model.systemMessages && (placed || (only !== undefined && messages.length === 1 && isOwn(only)))) {
      this.#flush();
      let members = '';
      if (messages.length > 1) reportMembers(messages, first, this.#context);
      else members = this.#context.members(only?.extras, `messages[${first}]`);
      this.#push('system', encodeInstructions(messages, first, this.#context), members);
      return;
    }
    this.#context.warn(
      'system_as_user',
      `messages[${first}]`,
      'Anthropic does not take instructions at this place: they are sent as the user',
    );
    this.turn(messages, first);
  }

  /** Instructions as what the user says. */
  turn(messages: readonly Message[], first: number): void {
    reportMembers(messages, first, this.#context);
    this.#others = join(this.#others, instructionBlocks(messages, first, this.#context));
  }

  end(): string {
    this.#flush();
    return `[${this.#list}]`;
  }

  get #holds(): boolean {
    return this.#results !== '' || this.#others !== '';
  }

  #push(role: 'user' | 'assistant' | 'system', content: string, members: string): void {
    this.#list = join(this.#list, `{"role":"${role}","content":${content}${rest(members)}}`);
    this.#last = role;
  }

  #flush(): void {
    if (!this.#holds) return;
    this.#push('user', `[${join(this.#results, this.#others)}]`, '');
    this.#results = '';
    this.#others = '';
  }

  #assistant(message: Message, at: string): void {
    this.#flush();
    const results = message.parts.some(isResult);
    const said = results ? { ...message, parts: message.parts.filter((part) => !isResult(part)) } : message;
    const content = encodeContent(said, at, this.#context);
    const members = this.#context.members(message.extras, at);
    // Nothing is left of it, or nothing was in it: Anthropic refuses it, and it says nothing.
    if (content === '""' || (content === '[]' && message.parts.length > 0)) {
      this.#context.warn('dropped_message', at, 'Anthropic takes no empty messages');
    } else this.#push('assistant', content, members);
    if (results) this.#tool({ ...message, parts: message.parts.filter(isResult) }, at);
  }

  #tool(message: Message, at: string): void {
    if (message.role !== Role.ASSISTANT && this.#context.members(message.extras, at) !== '') {
      this.#context.warn('dropped_extras', at, 'keys of a message have no place where it is part of another');
    }
    message.parts.forEach((part, i) => {
      const block = encodeBlock(part, this.#context, `${at}.content[${i}]`);
      if (isResult(part)) this.#results = join(this.#results, block);
      else this.#others = join(this.#others, block);
    });
  }

  /** The user's message stays as it is, but for results that go before it. */
  #user(message: Message, at: string): void {
    const members = this.#context.members(message.extras, at);
    if (this.#results === '') {
      this.#flush();
      this.#push('user', encodeContent(message, at, this.#context), members);
      return;
    }
    reportName(message, at, this.#context);
    const results = message.parts.filter(isResult);
    const others = message.parts.filter((part) => !isResult(part));
    this.#results = join(this.#results, encodeBlocks(results, this.#context, `${at}.content`));
    const blocks = encodeHeard(others, this.#context, `${at}.content`);
    this.#others = join(this.#others, others.length === 1 && isEmpty(others[0]) ? '' : blocks);
    const content = `[${join(this.#results, this.#others)}]`;
    this.#results = '';
    this.#others = '';
    this.#push('user', content, members);
  }
}

const isNameless = ({ content }: Part): boolean =>
  content.case !== 'toolResult' || content.value.toolCallId === '';

const isResult = ({ content }: Part): boolean => content.case === 'toolResult';

const isEmpty = (part: Part | undefined): boolean =>
  part !== undefined && isPlainText(part) && textOf(part) === '';

/** Instructions with something of this dialect's own: whoever wrote them knows where they may stand. */
const isOwn = ({ parts, extras }: Message): boolean =>
  extras?.dialect === dialectName ||
  parts.some(({ content }) => content.case === 'opaque' && content.value.dialect === dialectName);
