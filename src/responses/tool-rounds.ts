import type { CreateChatCompletionResponse } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { type Message, Role } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from '../model/build.ts';
import * as buildEvent from '../model/build-events.ts';
import { completionEvents } from '../model/completion-events.ts';
import type { StreamEvent } from '../model/events.ts';

/**
 * A whole answer as the events of the stream that would have said the same.
 * @param before about tools that were run before the model was asked @param after about tools that ran beside the client's calls
 */
export async function answerEvents(
  response: CreateChatCompletionResponse,
  before: readonly StreamEvent[] = [],
  after: readonly StreamEvent[] = [],
): Promise<StreamEvent[]> {
  const { value: answer = [] } = await completionEvents(response).next();
  // The last one says that all is over.
  return [
    ...before,
    ...roundEvents(response.toolMessages),
    ...answer.slice(0, -1),
    ...after,
    ...answer.slice(-1),
  ];
}

/**
 * The rounds in which the gateway ran tools as the events of the stream that would have said the same: what the model said in each, then
 * its calls and their results.
 * @param messages the model's turns, each followed by the results; see CreateChatCompletionResponse.tool_messages
 */
function roundEvents(messages: readonly Message[]): StreamEvent[] {
  const events: StreamEvent[] = [];
  const results = new Map<string, Message['parts'][number]>();
  for (const { parts } of messages) {
    for (const part of parts)
      if (part.content.case === 'toolResult') results.set(part.content.value.toolCallId, part);
  }
  let number = firstNumber;
  let round = 0;
  for (const { role, parts } of messages) {
    if (role !== Role.ASSISTANT) continue;
    round++;
    for (const part of parts) {
      const { content } = part;
      if (content.case === 'toolCall') {
        const result = results.get(content.value.id)?.content;
        if (result?.case !== 'toolResult') continue;
        events.push(
          buildEvent.toolStarted(round, content.value),
          buildEvent.toolFinished(round, result.value, 0),
        );
        continue;
      }
      events.push(...wholePart(number++, part));
    }
  }
  return events;
}

/** Parts of rounds must not be taken for those of the answer. */
const firstNumber = 1_000_000;

function wholePart(number: number, part: Message['parts'][number]): StreamEvent[] {
  const { content } = part;
  switch (content.case) {
    case 'text':
      return [
        buildEvent.partStarted(0, number, { ...part, content: { case: 'text', value: build.text('') } }),
        buildEvent.delta(0, number, content.value.text, { annotations: content.value.annotations }),
        buildEvent.partEnded(0, number),
      ];
    case 'reasoning':
      return [
        buildEvent.partStarted(0, number, {
          ...part,
          content: { case: 'reasoning', value: { ...content.value, text: '', encrypted: '', signature: '' } },
        }),
        buildEvent.delta(0, number, content.value.text),
        buildEvent.partEnded(0, number, part),
      ];
    default:
      return [buildEvent.partStarted(0, number, part), buildEvent.partEnded(0, number)];
  }
}
