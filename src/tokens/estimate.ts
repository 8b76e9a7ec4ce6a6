import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { Tool } from '../../gen/llmgateway/v1/generation_pb.js';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';

/** Characters of English text to a token, and what is added to be on the safe side. */
const charactersPerToken = 4;
const margin = 1.1;

/** A guess at a request's input tokens by the length of its texts; pictures and files by reference count nothing. */
export function estimateTokens(request: CreateChatCompletionRequest): { tokens: number; method: string } {
  let characters = 0;
  for (const { parts } of request.messages) characters += lengthOfParts(parts);
  for (const tool of request.tools) characters += lengthOfTool(tool);
  return { tokens: Math.ceil((characters / charactersPerToken) * margin), method: 'estimate' };
}

function lengthOfParts(parts: readonly Part[]): number {
  let characters = 0;
  for (const { content } of parts) {
    switch (content.case) {
      case 'text':
      case 'reasoning':
      case 'refusal':
        characters += content.value.text.length;
        break;
      case 'toolCall':
        characters += content.value.name.length + content.value.arguments.length;
        break;
      case 'toolResult':
        characters += lengthOfParts(content.value.parts);
        break;
      case 'file':
        if (content.value.source.case === 'text') characters += content.value.source.value.length;
        break;
      case 'opaque':
        characters += content.value.json.length;
        break;
      default:
    }
  }
  return characters;
}

function lengthOfTool({ kind }: Tool): number {
  switch (kind.case) {
    case 'function':
      return kind.value.name.length + kind.value.description.length + kind.value.parametersJson.length;
    case 'custom':
      return kind.value.name.length + kind.value.description.length + kind.value.formatJson.length;
    default:
      return 0;
  }
}
