import { type Message, Role, type ToolCall } from '../../gen/llmgateway/v1/message_pb.js';
import type { Tool } from './tool.ts';

/** Whose calls are whose. */
export interface Ownership {
  readonly enabled: ReadonlyMap<string, Tool>;
  readonly clientHasOwn: boolean;
}

/**
 * Whether the gateway answers a call: of a tool that the request enables, or of one that is nobody's when the client has none to
 * run. A client that has some gets such a call, too: it may know better.
 */
export const isGateways = ({ name, custom }: ToolCall, { enabled, clientHasOwn }: Ownership): boolean =>
  !custom && (enabled.has(name) || !clientHasOwn);

/** The calls of a message, in order. */
export function callsOf({ parts }: Message): ToolCall[] {
  const calls: ToolCall[] = [];
  for (const { content } of parts) if (content.case === 'toolCall') calls.push(content.value);
  return calls;
}

/** A message without some of its calls. */
export const withoutCalls = (message: Message, left: (call: ToolCall) => boolean): Message => ({
  ...message,
  parts: message.parts.filter(({ content }) => content.case !== 'toolCall' || !left(content.value)),
});

export function textOf({ parts }: Message): string {
  let text = '';
  for (const { content } of parts) if (content.case === 'text') text += content.value.text;
  return text;
}

/** Ids of the calls that messages answer, up to the next turn of the model's. */
export function answeredIn(messages: readonly Message[], from: number): Set<string> {
  const ids = new Set<string>();
  for (let i = from; i < messages.length; i++) {
    const { role, parts } = messages[i] as Message;
    if (role === Role.ASSISTANT) break;
    for (const { content } of parts) if (content.case === 'toolResult') ids.add(content.value.toolCallId);
  }
  return ids;
}
