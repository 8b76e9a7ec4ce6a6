import type { TokenLogprob } from '../../../gen/llmgateway/v1/completion_pb.js';
import { isObject, type Json } from '../json.ts';

const isByte = (value: unknown): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255;

/** The `logprobs` of an answer or a line: one for each token. */
export const decodeLogprobs = (list: unknown): TokenLogprob[] =>
  Array.isArray(list) ? list.filter(isObject).map(decodeToken) : [];

function decodeToken(json: Json): TokenLogprob {
  const { token, logprob, bytes, top_logprobs: top } = json;
  const decoded: TokenLogprob = {
    $typeName: 'llmgateway.v1.TokenLogprob',
    token: typeof token === 'string' ? token : '',
    logprob: typeof logprob === 'number' ? logprob : 0,
    topLogprobs: Array.isArray(top)
      ? top.filter(isObject).map((item) => decodeToken({ ...item, top_logprobs: null }))
      : [],
  };
  if (Array.isArray(bytes) && bytes.every(isByte)) decoded.bytes = Uint8Array.from(bytes as number[]);
  return decoded;
}
