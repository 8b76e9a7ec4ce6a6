// connect-node serving the gateway's own ChatService in the plainest way: messages in, the floor's upstream call,
// messages out. HTTP/1.1 (Connect) on one port and HTTP/2 (gRPC) on another.

import http from 'node:http';
import http2 from 'node:http2';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import {
  ChatService,
  CreateChatCompletionResponseSchema,
  type StreamChatCompletionResponse,
  StreamChatCompletionResponseSchema,
} from '../../gen/llmgateway/v1/chat_service_pb.js';
import { cannedReply, cannedStream } from './canned.ts';
import { decodeReply, type OpenAIChunk, type OpenAIReply, requestBody, StreamDecoder } from './chat-json.ts';
import { callStream, callUnary, upstreamTarget } from './upstream-call.ts';

const target = upstreamTarget(process.env['UPSTREAM_URL'] ?? '');

const upstreamService: Partial<ServiceImpl<typeof ChatService>> = {
  createChatCompletion(request) {
    return new Promise((resolve, reject) => {
      callUnary(target, requestBody(request, false), (error, reply) => {
        if (error) reject(error);
        else resolve(create(CreateChatCompletionResponseSchema, decodeReply(reply as OpenAIReply)));
      });
    });
  },
  streamChatCompletion: (request, context) => streamEvents(requestBody(request, true), context),
};

async function* streamEvents(
  body: string,
  context: HandlerContext,
): AsyncGenerator<StreamChatCompletionResponse> {
  const decoder = new StreamDecoder();
  let queue: OpenAIChunk[] = [];
  let ended = false;
  let failure: Error | undefined;
  let wake = (): void => {};
  const abort = callStream(target, body, {
    onEvents: (events) => {
      queue = queue.concat(events as OpenAIChunk[]);
      wake();
    },
    onEnd: () => {
      ended = true;
      wake();
    },
    onError: (error) => {
      failure = error;
      wake();
    },
  });
  context.signal.addEventListener('abort', abort);
  const message = (init: MessageInitShape<typeof StreamChatCompletionResponseSchema>) =>
    create(StreamChatCompletionResponseSchema, init);
  try {
    for (;;) {
      const chunks = queue;
      queue = [];
      for (const chunk of chunks) for (const event of decoder.decode(chunk)) yield message({ event });
      if (failure) throw failure;
      if (queue.length > 0) continue;
      if (ended) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    for (const event of decoder.end()) yield message({ event });
  } finally {
    context.signal.removeEventListener('abort', abort);
    if (!ended) abort();
  }
}

const cannedService: Partial<ServiceImpl<typeof ChatService>> = {
  createChatCompletion: () => cannedReply(),
  streamChatCompletion: () => cannedStream(),
};

const adapter = connectNodeAdapter({
  routes: (router) => router.service(ChatService, process.env['CANNED'] ? cannedService : upstreamService),
  acceptCompression: [],
  // Anything else is the benchmark asking whether the server is up.
  fallback: (_request, response) => {
    response.statusCode = 200;
    response.end();
  },
});

http.createServer(adapter).listen(Number(process.env['PORT']), '127.0.0.1', 4096);
http2.createServer(adapter).listen(Number(process.env['H2_PORT']), '127.0.0.1', 4096);
