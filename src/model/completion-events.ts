import type { CreateChatCompletionResponse } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { Choice } from '../../gen/llmgateway/v1/completion_pb.js';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from './build.ts';
import * as buildEvent from './build-events.ts';
import { type EventStream, eventsOf, type StreamEvent } from './events.ts';

/**
 * A whole completion as the stream that says the same, in one batch.
 * @param unknownOf a choice's unknown members as the event that a stream of the dialect has for them, where it has one
 */
export function completionEvents(
  response: CreateChatCompletionResponse,
  unknownOf?: (choice: Choice) => StreamEvent | undefined,
): EventStream {
  const { id, model, createdAt, serviceTier, systemFingerprint } = response;
  const events: StreamEvent[] = [
    buildEvent.started(id, model, createdAt, { serviceTier, systemFingerprint }),
  ];
  for (const choice of response.choices) {
    pushChoice(choice, events);
    const unknown = unknownOf?.(choice);
    if (unknown !== undefined) events.push(unknown);
  }
  if (response.extras !== undefined) {
    events.push(buildEvent.opaqueEvent(response.extras.dialect, response.extras.json));
  }
  events.push(buildEvent.finished(response.usage));
  return eventsOf([events]);
}

function pushChoice(choice: Choice, events: StreamEvent[]): void {
  const { index, message, logprobs } = choice;
  message?.parts.forEach((part, number) => {
    pushPart(index, number, part, events);
    if (logprobs !== undefined && part.content.case === 'text') {
      events.splice(-1, 0, buildEvent.delta(index, number, '', { logprobs }));
    }
  });
  events.push(buildEvent.choiceFinished(index, choice.finishReason, choice.nativeFinishReason));
}

function pushPart(choice: number, number: number, part: Part, events: StreamEvent[]): void {
  const { content } = part;
  const start = (empty: Part) => events.push(buildEvent.partStarted(choice, number, empty));
  const end = (final?: Part) => events.push(buildEvent.partEnded(choice, number, final));
  const grow = (text: string) => {
    if (text !== '') events.push(buildEvent.delta(choice, number, text));
  };
  switch (content.case) {
    case 'text':
      start({ ...part, content: { case: 'text', value: build.text('') } });
      if (content.value.annotations.length > 0) {
        const { annotations } = content.value;
        events.push(buildEvent.delta(choice, number, content.value.text, { annotations }));
      } else grow(content.value.text);
      return void end();
    case 'refusal':
      start({ ...part, content: { case: 'refusal', value: build.refusal('') } });
      grow(content.value.text);
      return void end();
    case 'reasoning': {
      const { text, ...state } = content.value;
      start({
        ...part,
        content: { case: 'reasoning', value: build.reasoning('', { summary: state.summary }) },
      });
      grow(text);
      const known = [state.signature, state.encrypted, state.id, state.format].some((text) => text !== '');
      return void end(known ? build.part({ case: 'reasoning', value: { ...state, text: '' } }) : undefined);
    }
    case 'toolCall': {
      const call = content.value;
      start({ ...part, content: { case: 'toolCall', value: { ...call, arguments: '', signature: '' } } });
      grow(call.arguments);
      const final = build.part({ case: 'toolCall', value: { ...call, arguments: '' } });
      return void end(call.signature === '' ? undefined : final);
    }
    default:
      start(part);
      end();
  }
}
