// Answers without an upstream: what remains is the cost of the RPC framework.

import { create } from '@bufbuild/protobuf';
import {
  type CreateChatCompletionResponse,
  CreateChatCompletionResponseSchema,
  type StreamChatCompletionResponse,
  StreamChatCompletionResponseSchema,
} from '../../gen/llmgateway/v1/chat_service_pb.js';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { MARKER } from '../lib/marker.ts';

/** Deltas of a canned stream: as many as a burst of the upstream has. */
const DELTAS = 100;
const text = Array.from({ length: 100 }, (_, i) => `word${i}`).join(' ');

const reply = create(CreateChatCompletionResponseSchema, {
  id: 'chatcmpl-canned',
  model: 'gpt-4o-mini',
  createdAt: 1_752_000_000,
  choices: [
    {
      message: { role: Role.ASSISTANT, parts: [{ content: { case: 'text', value: { text } } }] },
      finishReason: FinishReason.STOP,
    },
  ],
  usage: { promptTokens: 212, completionTokens: 102, totalTokens: 314 },
});

const events: StreamChatCompletionResponse[] = [
  create(StreamChatCompletionResponseSchema, {
    event: {
      case: 'started',
      value: { id: 'chatcmpl-canned', model: 'gpt-4o-mini', createdAt: 1_752_000_000 },
    },
  }),
  create(StreamChatCompletionResponseSchema, {
    event: { case: 'partStarted', value: { content: { content: { case: 'text', value: {} } } } },
  }),
  ...Array.from({ length: DELTAS }, (_, i) =>
    create(StreamChatCompletionResponseSchema, {
      event: { case: 'delta', value: { text: ` ${MARKER}${i}` } },
    }),
  ),
  create(StreamChatCompletionResponseSchema, { event: { case: 'partEnded', value: {} } }),
  create(StreamChatCompletionResponseSchema, {
    event: { case: 'choiceFinished', value: { finishReason: FinishReason.STOP } },
  }),
  create(StreamChatCompletionResponseSchema, { event: { case: 'finished', value: {} } }),
];

export function cannedReply(): CreateChatCompletionResponse {
  return reply;
}

export async function* cannedStream(): AsyncGenerator<StreamChatCompletionResponse> {
  yield* events;
}
