import type { Message, Part } from '../../gen/llmgateway/v1/message_pb.js';

/**
 * Length of what messages say, in UTF-16 units: texts, refusals, results of tools, documents in plain text. Names, calls of tools,
 * reasoning, pictures and sound are no content in this sense, and definitions of tools are in no message. Costs the same for long texts as
 * for short ones: nothing is read.
 */
export function contentCharacters(messages: readonly Message[]): number {
  let characters = 0;
  for (let i = 0; i < messages.length; i++) characters += charactersOf((messages[i] as Message).parts);
  return characters;
}

function charactersOf(parts: readonly Part[]): number {
  let characters = 0;
  for (let i = 0; i < parts.length; i++) {
    const { content } = parts[i] as Part;
    switch (content.case) {
      case 'text':
      case 'refusal':
        characters += content.value.text.length;
        break;
      case 'toolResult':
        characters += charactersOf(content.value.parts);
        break;
      case 'file':
        if (content.value.source.case === 'text') characters += content.value.source.value.length;
        break;
      default:
    }
  }
  return characters;
}
