import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { addMember, addNested, isObject } from '../json.ts';
import { notUnderstood } from '../upstream-error.ts';
import { toExtras } from './extras.ts';

/**
 * One of `tool_calls`. It comes whole, with its arguments as an object; newer versions give it an id.
 * @param position among the answer's calls; an `index` that says so is not kept
 * @param idOf makes the id of a call without one
 * @throws GatewayError when it has no name
 */
export function decodeToolCall(
  json: unknown,
  position: number,
  idOf: (call: number) => string,
  provider: string,
): Part {
  const called = isObject(json) && isObject(json['function']) ? json['function'] : {};
  const { name, arguments: given } = called;
  if (!isObject(json) || typeof name !== 'string' || name === '') {
    throw notUnderstood(provider, 'a tool call has no name');
  }
  const id = typeof json['id'] === 'string' && json['id'] !== '' ? json['id'] : idOf(position);
  const value = build.toolCall(id, name, argumentsOf(given));
  const part = build.part({ case: 'toolCall', value });
  let inner = '';
  for (const key in called) {
    const known = key === 'name' || key === 'arguments' || (key === 'index' && called[key] === position);
    if (!known && called[key] !== null) inner = addMember(inner, key, called[key]);
  }
  let unknown = '';
  for (const key in json) {
    const known = key === 'id' || key === 'function' || (key === 'type' && json[key] === 'function');
    if (!known && json[key] !== null) unknown = addMember(unknown, key, json[key]);
  }
  unknown = addNested(unknown, 'function', inner);
  if (unknown !== '') part.extras = toExtras(unknown);
  return part;
}

/** Arguments as text; none at all are an empty object, and some servers send them as text already. */
function argumentsOf(given: unknown): string {
  if (isObject(given)) return JSON.stringify(given);
  return typeof given === 'string' && given !== '' ? given : '{}';
}
