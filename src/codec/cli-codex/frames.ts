import { isObject, type Json } from '../json.ts';

/** An event of `codex exec --json`, one a line. Source of the names: the events of version 0.16x as they are sent. */
export interface CodexFrame {
  readonly json: Json;
  /** A client is told something by it, or it is the end. */
  readonly output: boolean;
  readonly last: boolean;
  /** It is part of an answer, or of why there is none. */
  readonly told: boolean;
}

/** @throws SyntaxError, TypeError when the line is no event */
export function readFrame(line: string): CodexFrame {
  const json: unknown = JSON.parse(line);
  if (!isObject(json)) throw new TypeError('a line is not an object');
  const { type } = json;
  const last = type === 'turn.completed' || type === 'turn.failed';
  const item = isObject(json['item']) ? json['item']['type'] : '';
  const output = type === 'item.completed' && (item === 'agent_message' || item === 'reasoning');
  return { json, output: last || output, last, told: last || output || type === 'error' };
}
