import { hash } from 'node:crypto';
import type { Message, ToolCall } from '../../gen/llmgateway/v1/message_pb.js';
import { promptOf } from '../model/prompt.ts';

/** Shorter ids are not made at random. */
const leastLength = 16;
/** `call_0`, `functions.search:12`: a model that numbers its calls does so in every conversation. */
const numbered = /(?:^|[^a-zA-Z0-9])\d{1,4}$/;

/** Whether an id is of one call alone. `tool_0_search` is one of many, however long the name in it. */
const isUnique = (id: string, name: string): boolean => {
  const own = name === '' ? id : id.replace(name, '');
  return own.length >= leastLength && !numbered.test(own);
};

/**
 * What a call is known by. Where its id may be that of another call as well, the call itself and what it is an answer to are part of
 * that.
 * @param messages the conversation
 * @param end how many of its messages come before the call
 */
export function callKey(
  { id, name, arguments: args }: ToolCall,
  messages: readonly Message[],
  end: number,
): string {
  if (isUnique(id, name)) return id;
  return `${id}\n${hash('sha256', JSON.stringify([name, canonical(args), promptOf(messages, end)]), 'base64')}`;
}

/** Arguments as JSON writes them: clients parse them, and write them again. */
function canonical(args: string): string {
  try {
    return JSON.stringify(JSON.parse(args === '' ? '{}' : args));
  } catch {
    return args;
  }
}
