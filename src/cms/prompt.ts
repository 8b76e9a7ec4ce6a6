import { type Message, Role } from '../../gen/llmgateway/v1/message_pb.js';

/** A conversation, as far as context management can take it. */
export interface Prompt {
  /** Messages that stay as they are. */
  readonly system: readonly Message[];
  /** What all others say: parts on lines of their own, an empty line between messages. */
  readonly text: string;
}

/**
 * Splits a conversation into its system messages and the text of the others.
 * @returns null when it has more than text: pictures, calls and results of tools could not be put back into one message
 */
export function splitPrompt(messages: readonly Message[]): Prompt | null {
  const system: Message[] = [];
  const said: string[] = [];
  for (const message of messages) {
    if (message.role === Role.SYSTEM || message.role === Role.DEVELOPER) {
      system.push(message);
      continue;
    }
    const texts: string[] = [];
    for (const { content } of message.parts) {
      if (content.case === 'text' || content.case === 'refusal') texts.push(content.value.text);
      // It belongs to an answer that is no longer there.
      else if (content.case !== 'reasoning') return null;
    }
    if (texts.length > 0) said.push(texts.join('\n'));
  }
  return { system, text: said.join('\n\n') };
}
