import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { type Choice, FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import { type Message, type Part, Role, type ToolCall } from '../../gen/llmgateway/v1/message_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import type { EventStream, StreamEvent } from '../model/events.ts';
import type { ChatCall, Reply, Stage } from './call.ts';

/**
 * What OpenAI's older form of tools needs of every provider. There a result names its function and no call: it gets the id of the last call of
 * that name. And an answer makes one call at most: of several the first is told of, so that the client can answer all that the history then
 * has; the model asks for the others again. What a provider cannot take has the name that the client wrote. It has to be inside of the stage
 * that keeps sessions.
 */
export const legacyFunctionsStage: Stage = (next) => (call) => {
  if (call.kind !== 'chat') return next(call);
  call.request = withMatchedResults(call.request);
  return call.request.parameters?.legacyFunctions === true ? answered(call, next(call)) : next(call);
};

async function answered(call: ChatCall, pending: Promise<Reply>): Promise<Reply> {
  const reply = await pending.catch((error) => {
    throw inOlderWords(error, call);
  });
  if (reply.kind === 'unary') for (const choice of reply.response.choices) inOlderForm(choice, call);
  if (reply.kind !== 'stream') return reply;
  return { kind: 'stream', events: new FunctionCallStream(reply.events, call) };
}

/** A fault of the tools or of their choice, by the older name: `functions[0]`, `function_call`. */
function inOlderWords(error: unknown, { face }: ChatCall): unknown {
  if (face !== 'openai.chat' || !(error instanceof GatewayError)) return error;
  const { reason, rawMessage, facts } = error;
  const { field = '' } = facts;
  const older = field
    .replace(/^tool_choice(?![^.[])/, 'function_call')
    .replace(/^tools(?![^.[])/, 'functions');
  if (older === field) return error;
  return new GatewayError(reason, rawMessage.replaceAll(`'${field}'`, `'${older}'`), {
    ...facts,
    field: older,
  });
}

function withMatchedResults(request: CreateChatCompletionRequest): CreateChatCompletionRequest {
  if (!request.messages.some(({ role }) => role === Role.FUNCTION)) return request;
  const calls = new Map<string, ToolCall>();
  const messages = request.messages.map((message) => {
    if (message.role === Role.FUNCTION) return withMatchedResult(message, calls);
    for (const { content } of message.parts) {
      if (content.case === 'toolCall') calls.set(content.value.name, content.value);
    }
    return message;
  });
  return { ...request, messages };
}

function withMatchedResult(message: Message, calls: ReadonlyMap<string, ToolCall>): Message {
  const [part] = message.parts;
  if (part?.content.case !== 'toolResult' || part.content.value.toolCallId !== '') return message;
  const result = part.content.value;
  const called = calls.get(message.name || result.name);
  if (called === undefined) return message;
  const value = { ...result, toolCallId: called.id, name: called.name };
  const parts = [{ ...part, content: { case: 'toolResult' as const, value } }];
  // A call with an id on the wire is answered by its id.
  return called.legacy ? { ...message, parts } : { ...message, role: Role.TOOL, name: '', parts };
}

function inOlderForm(choice: Choice, call: ChatCall): void {
  const { message } = choice;
  if (message === undefined) return;
  let calls = 0;
  message.parts = message.parts.filter((part) => !isCall(part) || calls++ === 0);
  for (const part of message.parts) asLegacy(part);
  if (calls > 1) reportDropped(call);
  choice.finishReason = olderReason(choice.finishReason);
}

const isCall = ({ content }: Part): boolean => content.case === 'toolCall';

function asLegacy({ content }: Part): void {
  if (content.case === 'toolCall') content.value.legacy = true;
}

const olderReason = (reason: FinishReason): FinishReason =>
  reason === FinishReason.TOOL_CALLS ? FinishReason.FUNCTION_CALL : reason;

function reportDropped({ report }: ChatCall): void {
  const why = 'function_call has a place for one call: of several calls the first is told of';
  report.warnings.push(build.warning('dropped_tool_call', why));
}

/** A streamed answer with one call in each of its choices. */
class FunctionCallStream implements EventStream {
  readonly #events: EventStream;
  readonly #call: ChatCall;
  /** Number of the part that is the call, by choice. */
  readonly #told: number[] = [];
  /** Parts that are left out, as `choice/part`. */
  readonly #dropped = new Set<string>();

  constructor(events: EventStream, call: ChatCall) {
    this.#events = events;
    this.#call = call;
  }

  async next(): Promise<IteratorResult<readonly StreamEvent[], undefined>> {
    for (;;) {
      const result = await this.#events.next();
      if (result.done) return result;
      const value = result.value.filter(this.#keeps);
      if (value.length > 0) return { done: false, value };
    }
  }

  return(): Promise<IteratorResult<readonly StreamEvent[], undefined>> {
    return this.#events.return();
  }

  readonly #keeps = ({ event }: StreamEvent): boolean => {
    switch (event.case) {
      case 'partStarted': {
        const { choice, part, content } = event.value;
        if (content === undefined || !isCall(content)) return true;
        asLegacy(content);
        this.#told[choice] ??= part;
        if (this.#told[choice] === part) return true;
        if (this.#dropped.size === 0) reportDropped(this.#call);
        this.#dropped.add(`${choice}/${part}`);
        return false;
      }
      case 'delta':
      case 'partEnded':
        return this.#dropped.size === 0 || !this.#dropped.has(`${event.value.choice}/${event.value.part}`);
      case 'choiceFinished':
        event.value.finishReason = olderReason(event.value.finishReason);
        return true;
      default:
        return true;
    }
  };
}
