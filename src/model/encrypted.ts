import type { Message, Part } from '../../gen/llmgateway/v1/message_pb.js';

/** Formats of state that only who made it can read: the very deployment, or the organisation that it belongs to. */
const privateFormats: readonly string[] = ['openai-responses-v1'];

/** The encrypted content of a part that only its maker can read; '' when there is none. */
export const encryptedIn = ({ content }: Part): string =>
  content.case === 'reasoning' && privateFormats.includes(content.value.format)
    ? content.value.encrypted
    : '';

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
