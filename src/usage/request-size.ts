import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { CreateEmbeddingsRequest } from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';
import { countImage } from '../tokens/images.ts';

/** Characters of a token, so that most texts have fewer tokens. */
const charsPerToken = 3;
const tokensOfMessage = 8;
/** Bytes of base64 for a token of sound or of a document: generous. */
const charsPerDataToken = 16;

/** Tokens of input that a request hardly exceeds. By lengths alone: it costs the same for long texts as for short ones. */
export function inputBound({ messages, tools }: CreateChatCompletionRequest, upstreamModel: string): number {
  let characters = 0;
  let tokens = messages.length * tokensOfMessage;
  const visit = (parts: readonly Part[]): void => {
    for (let i = 0; i < parts.length; i++) {
      const { content } = parts[i] as Part;
      switch (content.case) {
        case 'text':
        case 'refusal':
        case 'reasoning':
          characters += content.value.text.length;
          break;
        case 'image':
          tokens += countImage(content.value, upstreamModel);
          break;
        case 'toolCall':
          characters += content.value.name.length + content.value.arguments.length;
          break;
        case 'toolResult':
          visit(content.value.parts);
          break;
        case 'opaque':
          characters += content.value.text.length;
          break;
        case 'file':
        case 'audio': {
          const { source } = content.value;
          if (source.case === 'text') characters += source.value.length;
          else if (typeof source.value === 'string')
            tokens += Math.ceil(source.value.length / charsPerDataToken);
          else if (source.value instanceof Uint8Array)
            tokens += Math.ceil(source.value.length / charsPerDataToken);
          break;
        }
        default:
      }
    }
  };
  for (const { parts } of messages) visit(parts);
  for (const { kind } of tools) {
    if (kind.case === 'function')
      characters += kind.value.description.length + kind.value.parametersJson.length;
    else if (kind.case === 'custom')
      characters += kind.value.description.length + kind.value.formatJson.length;
    else if (kind.case === 'hosted') characters += kind.value.json.length;
  }
  return tokens + Math.ceil(characters / charsPerToken);
}

/** Tokens of output that a request allows. @param usual of an answer whose length it does not bound */
export const outputBound = ({ parameters }: CreateChatCompletionRequest, usual: number): number =>
  (parameters?.maxOutputTokens ?? usual) * (parameters?.n ?? 1);

/** Tokens of texts to embed: exact for ids. */
export function embeddingsBound({ inputs }: CreateEmbeddingsRequest, perToken = charsPerToken): number {
  let tokens = 0;
  for (const { content } of inputs) {
    if (content.case === 'tokens') tokens += content.value.ids.length;
    else if (content.case === 'text') tokens += Math.ceil(content.value.length / perToken);
  }
  return tokens;
}
