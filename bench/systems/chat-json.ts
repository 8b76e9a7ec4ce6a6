// OpenAI's JSON to and from the gateway's messages, for the text-only calls of the benchmark.

import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  CreateChatCompletionRequest,
  CreateChatCompletionResponseSchema,
  StreamChatCompletionRequest,
  StreamChatCompletionResponseSchema,
} from '../../gen/llmgateway/v1/chat_service_pb.js';
import { FinishReason, type UsageSchema } from '../../gen/llmgateway/v1/completion_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';

export interface OpenAIUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
  completion_tokens_details: { reasoning_tokens: number };
}

export interface OpenAIReply {
  id: string;
  model: string;
  created: number;
  service_tier: string;
  system_fingerprint: string;
  choices: { index: number; message: { content: string }; finish_reason: string }[];
  usage: OpenAIUsage;
}

export interface OpenAIChunk {
  id: string;
  model: string;
  created: number;
  service_tier: string;
  system_fingerprint: string;
  choices: { index: number; delta: { content?: string }; finish_reason: string | null }[];
  usage?: OpenAIUsage;
}

type StreamEvent = NonNullable<MessageInitShape<typeof StreamChatCompletionResponseSchema>['event']>;

const ROLE_NAMES: Partial<Record<Role, string>> = {
  [Role.SYSTEM]: 'system',
  [Role.USER]: 'user',
  [Role.ASSISTANT]: 'assistant',
};

const FINISH_REASONS: Record<string, FinishReason> = { stop: FinishReason.STOP, length: FinishReason.LENGTH };

export function requestBody(
  request: CreateChatCompletionRequest | StreamChatCompletionRequest,
  stream: boolean,
): string {
  return JSON.stringify({
    model: request.model.slice(request.model.indexOf('/') + 1),
    messages: request.messages.map((message) => ({
      role: ROLE_NAMES[message.role],
      content: message.parts
        .map((part) => (part.content.case === 'text' ? part.content.value.text : ''))
        .join(''),
    })),
    temperature: request.parameters?.temperature,
    max_tokens: request.parameters?.maxOutputTokens,
    ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  });
}

export function decodeReply(reply: OpenAIReply): MessageInitShape<typeof CreateChatCompletionResponseSchema> {
  return {
    id: reply.id,
    model: reply.model,
    createdAt: reply.created,
    serviceTier: reply.service_tier,
    systemFingerprint: reply.system_fingerprint,
    choices: reply.choices.map((choice) => ({
      index: choice.index,
      message: {
        role: Role.ASSISTANT,
        parts: [{ content: { case: 'text', value: { text: choice.message.content } } }],
      },
      finishReason: FINISH_REASONS[choice.finish_reason] ?? FinishReason.UNSPECIFIED,
    })),
    usage: decodeUsage(reply.usage),
  };
}

function decodeUsage(usage: OpenAIUsage): MessageInitShape<typeof UsageSchema> {
  return {
    promptTokens: usage.prompt_tokens,
    completionTokens: usage.completion_tokens,
    totalTokens: usage.total_tokens,
    cachedTokens: usage.prompt_tokens_details.cached_tokens,
    reasoningTokens: usage.completion_tokens_details.reasoning_tokens,
  };
}

/** One text part of one choice, with the life cycle that the service promises. */
export class StreamDecoder {
  #started = false;
  #partOpen = false;
  #usage: OpenAIUsage | undefined;

  decode(chunk: OpenAIChunk): StreamEvent[] {
    const events: StreamEvent[] = [];
    if (!this.#started) {
      this.#started = true;
      events.push({
        case: 'started',
        value: {
          id: chunk.id,
          model: chunk.model,
          createdAt: chunk.created,
          serviceTier: chunk.service_tier,
          systemFingerprint: chunk.system_fingerprint,
        },
      });
    }
    if (chunk.usage) this.#usage = chunk.usage;
    for (const choice of chunk.choices) {
      if (choice.delta.content) {
        if (!this.#partOpen) {
          this.#partOpen = true;
          events.push({ case: 'partStarted', value: { content: { content: { case: 'text', value: {} } } } });
        }
        events.push({ case: 'delta', value: { text: choice.delta.content } });
      }
      if (choice.finish_reason) {
        if (this.#partOpen) events.push({ case: 'partEnded', value: {} });
        this.#partOpen = false;
        const finishReason = FINISH_REASONS[choice.finish_reason] ?? FinishReason.UNSPECIFIED;
        events.push({ case: 'choiceFinished', value: { finishReason } });
      }
    }
    return events;
  }

  end(): StreamEvent[] {
    return [{ case: 'finished', value: this.#usage ? { usage: decodeUsage(this.#usage) } : {} }];
  }
}
