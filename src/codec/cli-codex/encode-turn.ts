import type { Message, Part } from '../../../gen/llmgateway/v1/message_pb.js';
import { Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';

/**
 * A conversation as the one prompt that the program takes.
 * @param markOf makes a mark that no text of the conversation has: it tells turns from what users write
 * @throws GatewayError INVALID_REQUEST for what is no text
 */
export function encodeTurn(messages: readonly Message[], markOf: () => string): string {
  const turns = messages.map((message, at) => ({
    role: names[message.role] ?? 'user',
    text: message.parts.map((part, i) => textOf(part, `messages[${at}].content[${i}]`)).join(''),
  }));
  const [only] = turns;
  if (turns.length === 1 && only?.role === 'user') return only.text;
  const mark = markOf();
  const told = turns.map(({ role, text }) => `<turn-${mark} role="${role}">\n${text}\n</turn-${mark}>`);
  return [
    `What follows is a conversation so far. Each turn stands between <turn-${mark} role="..."> and </turn-${mark}>; those of the role "system" are instructions to you. Use no tools and do nothing else: write the assistant's next turn, only its text, without these marks, and without a word on them.`,
    ...told,
  ].join('\n');
}

const names: Readonly<Partial<Record<Role, string>>> = {
  [Role.SYSTEM]: 'system',
  [Role.DEVELOPER]: 'system',
  [Role.ASSISTANT]: 'assistant',
};

function textOf({ content }: Part, place: string): string {
  switch (content.case) {
    case 'text':
    case 'refusal':
      return content.value.text;
    case 'toolCall':
      return `[called the tool ${content.value.name} with ${content.value.arguments}]`;
    case 'toolResult':
      return `[result of the tool:]\n${content.value.parts.map((part) => textOf(part, place)).join('')}`;
    case 'opaque':
      return content.value.text;
    case 'reasoning':
      return '';
    default:
      throw invalidRequest(place, `${place}: this model takes texts only`);
  }
}
