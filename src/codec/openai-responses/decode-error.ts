import { isObject, type Json } from '../json.ts';
import { openAIErrorIn } from '../openai-error.ts';

export {
  decodeOpenAIError as decodeResponseError,
  openAIUpstreamError as upstreamError,
} from '../openai-error.ts';

const answerKeys = ['output', 'usage', 'status'];

/** The error in a good reply, if it is one in whatever form: that of a failed response, too. */
export function errorIn(json: Json): unknown {
  const { error, status } = json;
  if (isObject(error)) return error;
  if (status === 'failed') return { message: 'the response failed', code: 'server_error' };
  return openAIErrorIn(json, answerKeys);
}
