import type { Message, Part } from '../../gen/llmgateway/v1/message_pb.js';

/** Whether only who made it can read state of this format: the very deployment, or the organisation that it belongs to. */
export const isPrivate = (format: string): boolean => format.endsWith('-responses-v1');

/** The encrypted content of a part that only its maker can read; '' when there is none. */
export const encryptedIn = ({ content }: Part): string =>
  content.case === 'reasoning' && isPrivate(content.value.format) ? content.value.encrypted : '';

/** The text of messages, from their beginning, as far as so many characters. */
export function contentOf(messages: readonly Message[], characters: number): string {
  let text = '';
  for (const { parts } of messages) {
    for (const { content } of parts) {
      if (content.case === 'text') text += content.value.text;
      if (text.length >= characters) return text.slice(0, characters);
    }
  }
  return text;
}
