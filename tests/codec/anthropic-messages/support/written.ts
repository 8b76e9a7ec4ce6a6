import type Anthropic from '@anthropic-ai/sdk';
import type { GenerationParameters } from '../../../../gen/llmgateway/v1/generation_pb.js';
import { type Message, type Part, Role } from '../../../../gen/llmgateway/v1/message_pb.js';
import {
  type EncodeRequestOptions,
  encodeMessagesRequest,
} from '../../../../src/codec/anthropic-messages/encode-request.ts';
import { decodeChatRequest } from '../../../../src/codec/openai-chat/decode-request.ts';
import { GatewayError } from '../../../../src/errors/gateway-error.ts';
import * as build from '../../../../src/model/build.ts';

export type Json = Record<string, unknown>;
export type Request = Parameters<typeof encodeMessagesRequest>[0];

export const written = (request: Request, options: Partial<EncodeRequestOptions> = {}) => {
  const { body, betas, warnings } = encodeMessagesRequest(request, {
    model: 'claude-sonnet-4-5',
    stream: false,
    ...options,
  });
  return {
    body: JSON.parse(body) as Json & Anthropic.MessageCreateParams,
    text: body,
    betas,
    warnings: warnings.map(({ code }) => code),
    fields: warnings.map(({ field }) => field),
  };
};

/** A request of OpenAI's chat completions as Anthropic gets it. */
export const ofChat = (more: Json, options: Partial<EncodeRequestOptions> = {}) =>
  written(
    decodeChatRequest({ model: 'm', messages: [{ role: 'user', content: 'hi' }], ...more }).request,
    options,
  );

export const refused = (encode: () => unknown): GatewayError => {
  try {
    encode();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('not refused');
};

/** Blocks of a message. */
export const blocksOf = ({ messages }: Anthropic.MessageCreateParams, index: number): Json[] =>
  messages[index]?.content as unknown as Json[];

export const text = (value: string): Part => build.textPart(value);
export const user = (...parts: Part[]): Message => build.message(Role.USER, parts);
export const ofMessages = (...messages: Message[]) => written(build.chatRequest('m', messages));
export const withParameters = (
  parameters: Partial<GenerationParameters>,
  model: string,
  rest: Partial<Request> = {},
) =>
  written(
    build.chatRequest('m', [user(text('hi'))], {
      parameters: build.parameters(parameters as never),
      ...rest,
    }),
    { model },
  );

export const f = { type: 'function', function: { name: 'f', parameters: { type: 'object' } } };
export const call = (id: string, args = '{}', name = 'f') => ({
  id,
  type: 'function',
  function: { name, arguments: args },
});
export const asked = { role: 'user', content: 'hi' };
