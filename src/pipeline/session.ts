import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { Message } from '../../gen/llmgateway/v1/message_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import { Assembler, type OpaqueReader } from '../model/assemble.ts';
import * as build from '../model/build.ts';
import { type EventStream, endOfEvents, type StreamEvent } from '../model/events.ts';
import { confinedContext, contextWith, isConfined } from '../sessions/context.ts';
import type { Lease, Leases } from '../sessions/leases.ts';
import { decodeMessages, encodeMessages } from '../sessions/messages.ts';
import type { Call, CallSession, Stage } from './call.ts';

export interface SessionStageOptions {
  readonly leases: Leases;
  /** See Assembler. */
  readonly readOpaque: OpaqueReader;
  /** The taxonomy that the user names in messages; '' for none. */
  readonly namedTaxonomy: (messages: readonly Message[]) => string;
}

/** Messages of a conversation, as many as a request may have. */
const maxMessages = 10_000;
/** Cache breakpoints that providers take in one request. */
const maxBreakpoints = 4;

/**
 * Puts a session's history before the new messages, and adds these and the answer to it once the answer is complete: before the client
 * learns that it is. A call that fails or is left adds nothing, nor does one whose answer a content filter has stopped: what the filter
 * objects to, which may be the prompt, would come back with every later call. One call at a time has a session. A taxonomy that the user names becomes
 * the one of the session's context. What was once kept to secure providers is so in every later call, whoever found it sensitive.
 */
export function sessionStage({ leases, readOpaque, namedTaxonomy }: SessionStageOptions): Stage {
  return (next) => async (call) => {
    if (call.kind !== 'chat') return next(call);
    const id = call.request.options?.sessionId ?? '';
    if (id === '') return next(call);
    if (call.letIn !== undefined) await call.letIn;
    const field = call.face === 'rpc' ? 'options.session_id' : 'session_id';
    const lease = await leases.acquire(
      { tenant: call.principal.tenant, id, field, newForMs: call.newSessionMs },
      call.signal,
    );
    try {
      const { request } = call;
      // A request's own instructions hold for it alone.
      const said = request.messages.filter(({ instructions }) => !instructions);
      const own = request.messages.length - said.length;
      const asked = encodeMessages(said);
      lease.check(asked);
      const history = decodeMessages(lease.session.messages);
      call.request = withHistory(request, history, field);
      const contextJson = contextWith(lease.session.contextJson, namedTaxonomy(request.messages));
      const session: CallSession = { contextJson, historyLength: own + history.length, kept: null };
      call.session = session;
      if (isConfined(contextJson)) call.sensitive = true;
      const save: SaveAnswer = async (answer, finishReason) => {
        if (finishReason === FinishReason.CONTENT_FILTER) {
          const why = 'a content filter stopped the answer: the session keeps neither it nor what was asked';
          call.report.warnings.push(build.warning('session_not_saved', why));
          lease.release();
          return;
        }
        const context = wasConfined(call) ? confinedContext(contextJson) : contextJson;
        await lease.save(
          session.kept ?? [...asked, ...answerOf(answer)],
          context === lease.session.contextJson ? undefined : context,
        );
      };
      if ((request.parameters?.n ?? 1) > 1) {
        call.report.warnings.push(
          build.warning('session_first_choice', 'the session goes on with the first of the answers', 'n'),
        );
      }
      const reply = await next(call);
      if (reply.kind === 'stream') {
        // With the gateway's tools the stream is of several answers, and others know what was said in each.
        const assembler = call.tools === undefined ? new Assembler(readOpaque) : null;
        const events = new SavingStream(reply.events, assembler, lease, save, call.signal);
        return { kind: 'stream', events };
      }
      if (reply.kind !== 'unary') {
        lease.release();
        return reply;
      }
      if (call.signal.aborted) throw call.signal.reason;
      const [choice] = reply.response.choices;
      await save(choice?.message, choice?.finishReason);
      return reply;
    } catch (error) {
      lease.release();
      throw error;
    }
  };
}

/** Also where a round of tools has made it so, which is a copy of the call. */
const wasConfined = ({ security }: Call): boolean => security?.mode === 'route' && security.report.sensitive;

/** Saves an answer. @param finishReason why it ended */
type SaveAnswer = (answer: Message | undefined, finishReason: FinishReason | undefined) => Promise<void>;

/** An answer in which nothing is said has no place in a history: providers refuse it. */
const answerOf = (message: Message | undefined): Message[] =>
  message === undefined || (message.parts.length === 0 && message.extras === undefined) ? [] : [message];

function withHistory(
  request: CreateChatCompletionRequest,
  history: Message[],
  field: string,
): CreateChatCompletionRequest {
  if (history.length + request.messages.length > maxMessages) {
    throw new GatewayError(
      ErrorReason.REQUEST_TOO_LARGE,
      `the session's messages and the new ones are more than ${maxMessages}`,
      { field },
    );
  }
  dropBreakpoints(request, history);
  const { messages } = request;
  const first = messages.filter(({ instructions }) => instructions);
  if (first.length === 0) return { ...request, messages: [...history, ...messages] };
  // Some models take instructions at the beginning only.
  return { ...request, messages: [...first, ...history, ...messages.filter((one) => !first.includes(one))] };
}

/** The ends of cached prefixes of earlier calls add up; the latest ones count. The history is this call's own copy. */
function dropBreakpoints(
  { messages, tools }: CreateChatCompletionRequest,
  history: readonly Message[],
): void {
  const isMarked = ({ cacheBreakpoint }: { cacheBreakpoint?: unknown }): boolean =>
    cacheBreakpoint !== undefined;
  let left = maxBreakpoints - tools.filter(isMarked).length;
  for (const { parts } of messages) left -= parts.filter(isMarked).length;
  for (const { parts } of history.toReversed()) {
    for (const part of parts.toReversed()) {
      if (isMarked(part) && left-- <= 0) delete part.cacheBreakpoint;
    }
  }
}

/** A stream whose end waits until the session is saved. */
class SavingStream implements EventStream {
  readonly #events: EventStream;
  readonly #assembler: Assembler | null;
  readonly #lease: Lease;
  readonly #saveAnswer: SaveAnswer;
  readonly #signal: AbortSignal;
  readonly #onAbort: () => void;
  #saving = false;
  #finishReason: FinishReason | undefined;
  /** What the next pull throws, once all that came before it has been handed on. */
  #failure: { readonly error: unknown } | null = null;
  #over = false;

  constructor(
    events: EventStream,
    assembler: Assembler | null,
    lease: Lease,
    saveAnswer: SaveAnswer,
    signal: AbortSignal,
  ) {
    this.#events = events;
    this.#assembler = assembler;
    this.#lease = lease;
    this.#saveAnswer = saveAnswer;
    this.#signal = signal;
    // A client that has left may not pull any more.
    this.#onAbort = () => this.#release();
    signal.addEventListener('abort', this.#onAbort, { once: true });
    if (signal.aborted) this.#release();
  }

  async next(): Promise<IteratorResult<readonly StreamEvent[], undefined>> {
    if (this.#failure !== null) return this.#fail();
    if (this.#over) return endOfEvents();
    let result: IteratorResult<readonly StreamEvent[], undefined>;
    try {
      result = await this.#events.next();
    } catch (error) {
      this.#release();
      throw error;
    }
    if (result.done) {
      this.#release();
      return result;
    }
    this.#assembler?.add(result.value);
    for (const { event } of result.value) {
      if (event.case === 'choiceFinished' && event.value.choice === 0) {
        this.#finishReason = event.value.finishReason;
      }
    }
    const finished = result.value[result.value.length - 1]?.event.case === 'finished';
    return finished && !this.#saving ? this.#save(result.value) : result;
  }

  return(): Promise<IteratorResult<readonly StreamEvent[], undefined>> {
    this.#release();
    return this.#events.return();
  }

  async #save(batch: readonly StreamEvent[]): Promise<IteratorResult<readonly StreamEvent[], undefined>> {
    try {
      if (this.#signal.aborted) throw this.#signal.reason;
      this.#saving = true;
      await this.#saveAnswer(this.#assembler?.message(0), this.#finishReason);
      this.#settle();
      return { done: false, value: batch };
    } catch (error) {
      this.#release();
      this.#failure = { error };
      const before = batch.filter(({ event }) => event.case !== 'finished');
      return before.length > 0 ? { done: false, value: before } : this.#fail();
    }
  }

  #fail(): Promise<never> {
    const error = this.#failure?.error;
    this.#failure = null;
    this.#over = true;
    return this.#events.return().then(() => {
      throw error;
    });
  }

  #settle(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  #release(): void {
    this.#settle();
    this.#lease.release();
  }
}
