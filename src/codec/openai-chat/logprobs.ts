import type { Logprobs, TokenLogprob } from '../../../gen/llmgateway/v1/completion_pb.js';
import { addMember, isObject, number, quote, rest } from '../json.ts';
import { ownMembers, toExtras } from './extras.ts';

/** Log probabilities of a choice or a chunk; undefined where there are none. */
export function decodeLogprobs(json: unknown): Logprobs | undefined {
  if (!isObject(json)) return undefined;
  return {
    $typeName: 'llmgateway.v1.Logprobs',
    content: decodeTokens(json['content']),
    refusal: decodeTokens(json['refusal']),
  };
}

const tokenKeys: ReadonlySet<string> = new Set(['token', 'logprob', 'bytes', 'top_logprobs']);

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
    let unknown = '';
    for (const key in json) if (!tokenKeys.has(key)) unknown = addMember(unknown, key, json[key]);
    if (unknown !== '') token.extras = toExtras(unknown);
    return token;
  });
}

/** As JSON text; "null" where there are none. */
export function encodeLogprobs(logprobs: Logprobs | undefined): string {
  if (logprobs === undefined) return 'null';
  const { content, refusal } = logprobs;
  const said =
    content.length === 0 && refusal.length > 0 ? 'null' : `[${content.map(encodeToken).join(',')}]`;
  const declined = refusal.length === 0 ? 'null' : `[${refusal.map(encodeToken).join(',')}]`;
  return `{"content":${said},"refusal":${declined}}`;
}

const encodeToken = (token: TokenLogprob): string =>
  `${encodeAlternative(token)},"top_logprobs":[${token.topLogprobs.map((top) => `${encodeAlternative(top)}}`).join(',')}]}`;

/** One without its closing brace. */
const encodeAlternative = ({ token, logprob, bytes, extras }: TokenLogprob): string =>
  `{"token":${quote(token)},"logprob":${number(logprob)},"bytes":${bytes === undefined ? 'null' : `[${bytes.join(',')}]`}${extras === undefined ? '' : rest(ownMembers(extras))}`;
