import { type Message, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { invalid, keepMember, readArray, readObject } from '../fields.ts';
import { decodeContent } from './decode-request-blocks.ts';
import type { RequestContext } from './decode-request-context.ts';
import { toExtras } from './extras.ts';

const maxMessages = 10_000;

/** `system` stands beside the messages in this dialect, but a later instruction may stand among them. */
const roles: ReadonlyMap<unknown, Role> = new Map([
  ['user', Role.USER],
  ['assistant', Role.ASSISTANT],
  ['system', Role.SYSTEM],
]);

/**
 * The instructions and the conversation as one list.
 * @param system the body's `system`; null for none
 * @throws GatewayError INVALID_REQUEST
 */
export function decodeMessages(system: unknown, value: unknown, context: RequestContext): Message[] {
  const messages: Message[] = [];
  if (system !== null) {
    const { parts, multipart } = decodeContent(system, 'system', context);
    messages.push(build.message(Role.SYSTEM, parts, { multipart }));
  }
  const items = readArray(value, 'messages', maxMessages - messages.length);
  for (let i = 0; i < items.length; i++) messages.push(decodeMessage(items[i], `messages[${i}]`, context));
  return messages;
}

function decodeMessage(value: unknown, at: string, context: RequestContext): Message {
  const json = readObject(value, at);
  const role = roles.get(json['role']);
  if (role === undefined) {
    const given = json['role'];
    const expected = "'user' or 'assistant'";
    throw typeof given === 'string'
      ? invalid(`${at}.role`, expected, given, 'another string')
      : invalid(`${at}.role`, expected, given);
  }
  const { parts, multipart } = decodeContent(json['content'], `${at}.content`, context);
  const message = build.message(role, parts, { multipart });
  let unknown = '';
  for (const key in json) {
    if (key === 'role' || key === 'content') continue;
    unknown = keepMember(unknown, key, json[key], `${at}.${key}`);
  }
  if (unknown !== '') message.extras = toExtras(unknown);
  return message;
}
