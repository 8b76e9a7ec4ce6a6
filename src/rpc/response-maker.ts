import {
  type Item,
  type Response,
  type ResponseEvent,
  type ResponseParameters,
  ResponseStatus,
} from '../../gen/llmgateway/v1/responses_service_pb.js';
import { type GatewayError, invalidRequest, toGatewayError } from '../errors/gateway-error.ts';
import { completionEvents } from '../model/completion-events.ts';
import type { EventStream } from '../model/events.ts';
import type { ChatCall, Reply } from '../pipeline/call.ts';
import { type ClientWatch, watchSignal } from '../pipeline/call-signal.ts';
import { chatRequestOf } from '../responses/chat-request.ts';
import { addToConversation } from '../responses/conversations.ts';
import { tooLarge } from '../responses/errors.ts';
import { resolveContext } from '../responses/history.ts';
import { itemIds, newResponseId, responseOfItem } from '../responses/ids.ts';
import { encodeBody, encodeItems } from '../responses/items.ts';
import { Keeper } from '../responses/keeper.ts';
import { LifeCycle } from '../responses/life-cycle.ts';
import { newResponse } from '../responses/new-response.ts';
import { inOwnWords } from '../responses/own-words.ts';
import { ResponseRun } from '../responses/run.ts';
import type { NewResponse, ResponseFacts, ResponseStore } from '../responses/store.ts';
import { roundEvents } from '../responses/tool-rounds.ts';
import type { Watchers } from '../responses/watchers.ts';
import { withIds } from '../responses/with-ids.ts';
import { beginCall } from './call-context.ts';
import { newResponseCall } from './response-call.ts';
import type { ResponseCallContext, ResponsesApiParts, ResponseTerms } from './responses-api.ts';

/** A response that is to be made. */
export interface Making {
  readonly tenant: string;
  readonly response: Response;
  /** All items before the output. */
  readonly items: readonly Item[];
  /** The new ones of them: what a conversation gets. */
  readonly added: readonly Item[];
  readonly facts: ResponseFacts;
  readonly newId: (prefix: string) => string;
}

/** Nobody's leaving ends it. */
const nobody: ClientWatch = () => () => {};

const nowSeconds = (): number => Math.floor(Date.now() / 1_000);

/** Makes responses: asks the model, tells of the events, keeps what is to be kept. */
export class ResponseMaker {
  readonly #parts: ResponsesApiParts;
  readonly #holder: string;
  readonly #watchers: Watchers;
  /** Those under way in this process that are stored. */
  readonly #running = new Map<string, ResponseRun>();

  constructor(parts: ResponsesApiParts, holder: string, watchers: Watchers) {
    this.#parts = parts;
    this.#holder = holder;
    this.#watchers = watchers;
  }

  get store(): ResponseStore {
    return this.#parts.store;
  }

  /** How many are under way. */
  get count(): number {
    return this.#running.size;
  }

  /** A response from the beginning. @throws GatewayError when what it goes on from is not there */
  async prepare(asked: ResponseParameters, context: ResponseCallContext): Promise<Making> {
    const { tenant, fields } = context;
    if (asked.background && asked.store === false) {
      throw invalidRequest(
        fields.store,
        `Invalid '${fields.store}': background responses have to be stored.`,
      );
    }
    const { history, input } = await resolveContext(this.store, tenant, asked, fields);
    const id = newResponseId();
    const newId = itemIds(id);
    const added = withIds(input, newId);
    const nowUs = Date.now() * 1_000;
    const facts = { id, createdUs: nowUs, expiresUs: nowUs + this.#terms.ttlMs * 1_000 };
    const response = newResponse(id, nowSeconds(), { ...asked, input: [] });
    return { tenant, response, items: [...history, ...added], added, facts, newId };
  }

  /** Makes a response and hands it out when it is done. */
  async unary(asked: ResponseParameters, context: ResponseCallContext): Promise<Response> {
    const making = await this.prepare(asked, context);
    const { signal, release } = beginCall(this.#watched(asked, context), this.#parts.limits);
    try {
      const request = this.#request(asked, making);
      const reply = await this.#handle(newResponseCall(request, context, false, signal), context);
      if (reply.kind !== 'unary') throw new Error('a unary call was not answered with a completion');
      const { response } = making;
      const lifeCycle = new LifeCycle({ response, newId: making.newId, now: nowSeconds });
      const unheard: ResponseEvent[] = [];
      lifeCycle.begin(unheard);
      lifeCycle.add(roundEvents(reply.response.toolMessages), unheard);
      for (const events = completionEvents(reply.response); ; ) {
        const result = await events.next();
        if (result.done) break;
        lifeCycle.add(result.value, unheard);
      }
      if (reply.response.callReport !== undefined) response.callReport = reply.response.callReport;
      await this.#beforeEnd(making, response);
      if (asked.store !== false) await this.#create(making, 'over');
      return response;
    } finally {
      release();
    }
  }

  /** Makes a response whose events its client pulls. Resolves at the first output. */
  async stream(asked: ResponseParameters, context: ResponseCallContext): Promise<ResponseRun> {
    const making = await this.prepare(asked, context);
    const { signal, release } = beginCall(this.#watched(asked, context), this.#parts.limits);
    try {
      const answer = await this.#answer(asked, making, context, signal);
      const keeps = asked.store !== false;
      if (keeps) await this.#create(making, { holder: this.#holder, leaseMs: this.#terms.leaseMs });
      return this.#run(making, answer, context, { keeps, logged: 0, release, survives: survives(asked) });
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Stores a response that is made later, by whoever takes it. */
  async enqueue(making: Making): Promise<void> {
    await this.#create(making, null);
  }

  /** Stores a response that is made from now on. */
  async begin(making: Making): Promise<void> {
    await this.#create(making, { holder: this.#holder, leaseMs: this.#terms.leaseMs });
  }

  /**
   * Makes a stored response that this process holds, without a client. Never rejects.
   * @param logged how many events it has already
   */
  async alone(making: Making, context: ResponseCallContext, logged: number): Promise<void> {
    const asked = { ...(making.response.parameters as ResponseParameters), input: [] };
    const stopping = new AbortController();
    const client = watchSignal(stopping.signal);
    const { signal, release } = beginCall({ ...context, client }, this.#parts.limits);
    const options = { keeps: true, logged, release, survives: true };
    const opening = this.#answer(asked, making, context, signal);
    const answer = openLater(opening, () => stopping.abort());
    await this.#run(making, answer, context, options).finish();
  }

  /** Stops one of this process. */
  async stop(id: string): Promise<void> {
    await this.#running.get(id)?.cancel();
  }

  get #terms(): ResponseTerms {
    return this.#parts.terms();
  }

  #watched(asked: ResponseParameters, context: ResponseCallContext): ResponseCallContext {
    return survives(asked) ? { ...context, client: nobody } : context;
  }

  #request(asked: ResponseParameters, { items }: Making) {
    const request = chatRequestOf({ ...asked, input: [] }, items);
    // What becomes of a client's leaving is decided here.
    if (request.options !== undefined) request.options = { ...request.options, finishWhenAbandoned: false };
    return request;
  }

  async #handle(call: ChatCall, { fields }: ResponseCallContext): Promise<Reply> {
    try {
      return await this.#parts.handle(call);
    } catch (error) {
      throw inOwnWords(error, fields);
    }
  }

  async #answer(
    asked: ResponseParameters,
    making: Making,
    context: ResponseCallContext,
    signal: AbortSignal,
  ): Promise<EventStream> {
    const call = newResponseCall(this.#request(asked, making), context, true, signal);
    const reply = await this.#handle(call, context);
    if (reply.kind !== 'stream') throw new Error('a streaming call was answered without a stream');
    return reply.events;
  }

  #run(
    making: Making,
    answer: EventStream,
    { requestId }: ResponseCallContext,
    options: {
      readonly keeps: boolean;
      readonly logged: number;
      readonly release: () => void;
      readonly survives: boolean;
    },
  ): ResponseRun {
    const { response, newId, tenant, facts } = making;
    const { id } = facts;
    const lifeCycle = new LifeCycle({ response, newId, now: nowSeconds, from: options.logged });
    const begun: ResponseEvent[] = [];
    if (options.logged === 0) {
      lifeCycle.announce(begun);
      if (response.status === ResponseStatus.QUEUED) lifeCycle.announce(begun);
    }
    lifeCycle.begin(begun);
    const keeper = options.keeps
      ? new Keeper({
          store: this.store,
          tenant,
          id,
          holder: this.#holder,
          logged: options.logged,
          terms: this.#terms,
          onStop: () => void run.cancel(),
          onEvents: () => this.#watchers.notify(id),
        })
      : null;
    const run = new ResponseRun({
      lifeCycle,
      answer,
      requestId,
      keeper,
      begun,
      survives: options.survives && options.keeps,
      beforeEnd: (whole) => this.#beforeEnd(making, whole),
      onOver: () => {
        options.release();
        if (this.#running.get(id) === run) this.#running.delete(id);
        this.#watchers.notify(id);
      },
    });
    if (keeper !== null) this.#running.set(id, run);
    return run;
  }

  /** What has to be there when the end is told: the conversation's new turn, and items under ids of the provider's. */
  async #beforeEnd({ tenant, added, facts }: Making, { parameters, output }: Response): Promise<void> {
    const conversation = parameters?.conversationId ?? '';
    if (conversation !== '') {
      await addToConversation(this.store, tenant, conversation, [...added, ...output], this.#terms.maxBytes);
    }
    if (parameters?.store === false) return;
    const others = output.map(({ id }) => id).filter((id) => id !== '' && responseOfItem(id) === null);
    if (others.length > 0) await this.store.indexItems(tenant, facts, others);
  }

  async #create({ tenant, response, items, facts }: Making, open: NewResponse['open']): Promise<void> {
    const { maxBytes } = this.#terms;
    const body = encodeBody(response);
    const input = encodeItems(items);
    let bytes = body.length;
    for (const item of input) bytes += item.length;
    if (bytes > maxBytes) throw tooLarge(`the response ${facts.id}`, maxBytes);
    await this.store.create(tenant, { ...facts, body, input, open });
  }
}

const survives = ({ options, background, store }: ResponseParameters): boolean =>
  background || (options?.finishWhenAbandoned === true && store !== false);

/**
 * An answer that begins with its first pull, so that a failure to begin is one of the answer.
 * @param stop ends it, or the wait for it
 */
function openLater(opening: Promise<EventStream>, stop: () => void): EventStream {
  opening.catch(() => {});
  return {
    next: async () => (await opening).next(),
    return: async () => {
      // It may not have begun: then nobody else would end the wait for it.
      stop();
      const stream = await opening.catch((error: unknown): GatewayError => toGatewayError(error));
      return 'next' in stream ? stream.return() : { done: true, value: undefined };
    },
  };
}
