// The generated client over each protocol of connect-node.
import { type Client, createClient, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { ChatService } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { FinishReason, type Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import { Role } from '../../../gen/llmgateway/v1/message_pb.js';
import type { Answer, ChatCall, ChatClient } from '../conversation.ts';

type Chat = Client<typeof ChatService>;

const roles = { system: Role.SYSTEM, user: Role.USER, assistant: Role.ASSISTANT };

export function connectClients(baseUrl: string): ChatClient[] {
  const transports: [string, Transport][] = [
    ['Connect, HTTP/1.1', createConnectTransport({ baseUrl, httpVersion: '1.1', defaultTimeoutMs: 60_000 })],
    ['Connect, HTTP/2', createConnectTransport({ baseUrl, httpVersion: '2', defaultTimeoutMs: 60_000 })],
    ['gRPC-Web, HTTP/1.1', createGrpcWebTransport({ baseUrl, httpVersion: '1.1', defaultTimeoutMs: 60_000 })],
    ['gRPC, connect-node', createGrpcTransport({ baseUrl, defaultTimeoutMs: 60_000 })],
  ];
  return transports.flatMap(([name, transport]) => {
    const chat = createClient(ChatService, transport);
    return [
      { name: `${name}, unary`, streamed: false, ask: (call: ChatCall) => askUnary(chat, call) },
      { name: `${name}, streamed`, streamed: true, ask: (call: ChatCall) => askStreamed(chat, call) },
    ];
  });
}

async function askUnary(chat: Chat, call: ChatCall): Promise<Answer> {
  const response = await chat.createChatCompletion(request(call));
  const choice = response.choices[0]!;
  const text = choice.message?.parts.map((part) =>
    part.content.case === 'text' ? part.content.value.text : '',
  );
  return { text: text?.join('') ?? '', ...finish(choice.finishReason), ...tokens(response.usage), pieces: 1 };
}

async function askStreamed(chat: Chat, call: ChatCall): Promise<Answer> {
  let answer: Answer = { text: '', ...finish(FinishReason.UNSPECIFIED), ...tokens(undefined), pieces: 0 };
  const kinds: string[] = [];
  for await (const { event } of chat.streamChatCompletion(request(call))) {
    if (event.case !== kinds.at(-1)) kinds.push(event.case ?? 'unset');
    if (event.case === 'delta') {
      answer = { ...answer, text: answer.text + event.value.text, pieces: answer.pieces + 1 };
    }
    if (event.case === 'choiceFinished') answer = { ...answer, ...finish(event.value.finishReason) };
    if (event.case === 'finished') answer = { ...answer, ...tokens(event.value.usage) };
  }
  checkLifeCycle(kinds);
  return answer;
}

/**
 * Throws unless the events came in the order that the contract promises for an answer of one text. What only llama.cpp sends
 * (its timings) may come anywhere between.
 */
export function checkLifeCycle(kinds: readonly string[]): void {
  const seen = kinds.filter((kind) => kind !== 'opaque').join(' ');
  const promised = 'started partStarted delta partEnded choiceFinished finished';
  if (seen !== promised) throw new Error(`events came as "${seen}", not as "${promised}"`);
}

function request(call: ChatCall) {
  return {
    model: call.model,
    messages: call.turns.map(({ role, text }) => ({
      role: roles[role],
      parts: [{ content: { case: 'text' as const, value: { text } } }],
    })),
    parameters: { maxOutputTokens: call.maxTokens, temperature: 0, seed: call.seed },
  };
}

function finish(reason: FinishReason): { finishReason: string } {
  return { finishReason: FinishReason[reason]!.toLowerCase() };
}

function tokens(usage: Usage | undefined): { promptTokens: number; completionTokens: number } {
  return { promptTokens: usage?.promptTokens ?? -1, completionTokens: usage?.completionTokens ?? -1 };
}
