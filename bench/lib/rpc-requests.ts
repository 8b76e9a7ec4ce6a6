// The same call as lib/requests.ts, for ChatService over Connect and gRPC.

import { create, type MessageInitShape, toBinary, toJsonString } from '@bufbuild/protobuf';
import {
  ChatService,
  CreateChatCompletionRequestSchema,
  StreamChatCompletionRequestSchema,
} from '../../gen/llmgateway/v1/chat_service_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import type { Call } from '../load/types.ts';
import type { RunningSystem } from '../systems/systems.ts';
import { conversation, httpPost } from './requests.ts';

export type RpcProtocol = 'connect-json' | 'connect-binary' | 'grpc';
export const RPC_PROTOCOLS: readonly RpcProtocol[] = ['connect-json', 'connect-binary', 'grpc'];

const ROLES = { system: Role.SYSTEM, user: Role.USER, assistant: Role.ASSISTANT };
const CREATE_PATH = `/${ChatService.typeName}/${ChatService.method.createChatCompletion.name}`;
const STREAM_PATH = `/${ChatService.typeName}/${ChatService.method.streamChatCompletion.name}`;

export function rpcCall(system: RunningSystem, protocol: RpcProtocol, stream: boolean): Call {
  const path = stream ? STREAM_PATH : CREATE_PATH;
  const message = encode(system.model, protocol !== 'connect-json', stream);
  if (protocol === 'grpc') {
    const headers = { 'content-type': 'application/grpc+proto', te: 'trailers' };
    return { port: system.h2Port, request: envelope(message), h2: { path, headers } };
  }
  const codec = protocol === 'connect-json' ? 'json' : 'proto';
  const request = httpPost(system.port, path, stream ? envelope(message) : message, {
    'content-type': stream ? `application/connect+${codec}` : `application/${codec}`,
    'connect-protocol-version': '1',
  });
  // Only the last message of a Connect stream, which ends it, can hold an error.
  return { port: system.port, request, ...(stream ? { mustNotEndWith: '"error"' } : {}) };
}

function encode(model: string, binary: boolean, stream: boolean): Buffer {
  const fields = {
    model,
    messages: conversation().map(({ role, content }) => ({
      role: ROLES[role],
      parts: [{ content: { case: 'text' as const, value: { text: content } } }],
    })),
    parameters: { temperature: 0.7, maxOutputTokens: 256, legacyMaxTokens: true },
  } satisfies MessageInitShape<typeof CreateChatCompletionRequestSchema>;
  if (stream) {
    const message = create(StreamChatCompletionRequestSchema, fields);
    if (binary) return Buffer.from(toBinary(StreamChatCompletionRequestSchema, message));
    return Buffer.from(toJsonString(StreamChatCompletionRequestSchema, message));
  }
  const message = create(CreateChatCompletionRequestSchema, fields);
  if (binary) return Buffer.from(toBinary(CreateChatCompletionRequestSchema, message));
  return Buffer.from(toJsonString(CreateChatCompletionRequestSchema, message));
}

/** Five bytes before every message of a Connect stream and of gRPC: flags and length. */
function envelope(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
