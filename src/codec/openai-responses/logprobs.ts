import type { Logprobs, TokenLogprob } from '../../../gen/llmgateway/v1/completion_pb.js';
import { isObject, number, quote } from '../json.ts';

/** Log probabilities of a text's tokens; undefined where there are none. */
export function decodeLogprobs(list: unknown): Logprobs | undefined {
  if (!Array.isArray(list) || list.length === 0) return undefined;
  return { $typeName: 'llmgateway.v1.Logprobs', content: decodeTokens(list), refusal: [] };
}

function decodeTokens(list: unknown): TokenLogprob[] {
  if (!Array.isArray(list)) return [];
  return list.filter(isObject).map((json) => {
    const token: TokenLogprob = {
      $typeName: 'llmgateway.v1.TokenLogprob',
      token: typeof json['token'] === 'string' ? json['token'] : '',
      logprob: typeof json['logprob'] === 'number' ? json['logprob'] : 0,
      topLogprobs: decodeTokens(json['top_logprobs']),
    };
    if (Array.isArray(json['bytes'])) token.bytes = Uint8Array.from(json['bytes'] as number[]);
    return token;
  });
}

/** As a JSON list. */
export const encodeLogprobs = (tokens: readonly TokenLogprob[]): string =>
  tokens.length === 0 ? '[]' : `[${tokens.map(encodeToken).join(',')}]`;

const encodeToken = (token: TokenLogprob): string =>
  `${alternative(token)},"top_logprobs":[${token.topLogprobs.map((top) => `${alternative(top)}}`).join(',')}]}`;

/** One without its closing brace. */
const alternative = ({ token, logprob, bytes }: TokenLogprob): string =>
  `{"token":${quote(token)},"logprob":${number(logprob)},"bytes":[${bytes === undefined ? '' : bytes.join(',')}]`;
