import { hash } from 'node:crypto';
import { type Message, Role } from '../../gen/llmgateway/v1/message_pb.js';

/**
 * What a turn of the model's answers, as a digest: what the user said last, and how many turns there were since. The same for every
 * form that a client sends the conversation in.
 * @param end how many of the messages come before the turn
 */
export function promptOf(messages: readonly Message[], end: number): string {
  let turns = 0;
  for (let i = end - 1; i >= 0; i--) {
    const { role, parts } = messages[i] as Message;
    if (role === Role.ASSISTANT) turns++;
    if (role !== Role.USER) continue;
    let text = '';
    for (const { content } of parts) if (content.case === 'text') text += content.value.text;
    if (text !== '') return hash('sha256', `${turns}\n${text}`, 'base64');
  }
  return `${turns}`;
}
