import type { Extras } from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { addMember, isObject, type Json } from '../json.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';

/** What a client asks of Ollama besides what the contract has fields for. */
export interface RequestMembers {
  /** Its own `options`, such as `num_ctx`. */
  readonly options: Readonly<Json>;
  /** Its own `think`, which wins over an effort. */
  readonly think: unknown;
  /** Everything else, as members. */
  readonly members: string;
}

/** Members that have fields in the contract; and what says where a call goes must not be overwritten. */
const reserved: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'input',
  'tools',
  'format',
  'stream',
  'logprobs',
  'top_logprobs',
  'dimensions',
]);

/** Members that only Ollama has, so that they are meant for it on whatever face they came. */
const unmistakable: ReadonlySet<string> = new Set(['options', 'keep_alive']);

/**
 * Reads the extras of a request. `options` and `keep_alive` are taken from any dialect, because clients of other faces have no
 * other way to ask for a context size; the rest of other dialects' is reported.
 * @throws GatewayError INVALID_REQUEST for a member of Ollama's that has a field of its own
 */
export function requestMembers(extras: Extras | undefined, context: EncodeContext): RequestMembers {
  if (extras === undefined) return { options: {}, think: undefined, members: '' };
  const json = JSON.parse(extras.json) as Json;
  const own = extras.dialect === dialectName;
  let options: Json = {};
  let think: unknown;
  let members = '';
  for (const key in json) {
    const value = json[key];
    if (own && reserved.has(key)) {
      throw invalidRequest('extras.json', `Invalid 'extras.json': '${key}' has a field of its own.`);
    }
    if (!own && !unmistakable.has(key)) {
      if (extras.repeatedKeys.includes(key)) continue;
      context.warn('dropped_extras', 'extras', `keys of ${extras.dialect} have no place in ${dialectName}`);
    } else if (key === 'options' && isObject(value)) options = value;
    else if (key === 'think' && value !== null) think = value;
    else members = addMember(members, key, value);
  }
  return { options, think, members };
}
