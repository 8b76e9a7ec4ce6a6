import type { Json } from '../json.ts';
import { openAIErrorIn } from '../openai-error.ts';

export {
  decodeOpenAIError as decodeChatError,
  openAIUpstreamError as upstreamError,
} from '../openai-error.ts';

const answerKeys = ['choices', 'usage'];

/** The error in a good reply or a chunk, if it is one in whatever form; see openAIErrorIn. */
export const errorIn = (json: Json): unknown => openAIErrorIn(json, answerKeys);
