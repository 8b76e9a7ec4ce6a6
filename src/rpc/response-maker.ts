import type {
  Item,
  Response,
  ResponseEvent,
  ResponseParameters,
} from '../../gen/llmgateway/v1/responses_service_pb.js';
import { encodePrincipal } from '../auth/principal.ts';
import { afterCall, type GatewayError, invalidRequest, toGatewayError } from '../errors/gateway-error.ts';
import type { EventStream } from '../model/events.ts';
import type { ChatCall, Reply, UnaryReply } from '../pipeline/call.ts';
import { type CallSignal, type ClientWatch, watchSignal } from '../pipeline/call-signal.ts';
import { chatRequestOf } from '../responses/chat-request.ts';
import { addToConversation } from '../responses/conversations.ts';
import { tooLarge } from '../responses/errors.ts';
import { type FieldNames, resolveContext } from '../responses/history.ts';
import { itemIds, newItemId, newResponseId, responseOfItem } from '../responses/ids.ts';
import { encodeBody, encodeItems } from '../responses/items.ts';
import { Keeper } from '../responses/keeper.ts';
import { LifeCycle } from '../responses/life-cycle.ts';
import { newResponse } from '../responses/new-response.ts';
import { inOwnWords } from '../responses/own-words.ts';
import { patienceMs, persist } from '../responses/persist.ts';
import type { Rebuilt } from '../responses/rebuild.ts';
import { ResponseRun } from '../responses/run.ts';
import type { NewResponse, ResponseFacts, ResponseStore } from '../responses/store.ts';
import { answerEvents } from '../responses/tool-rounds.ts';
import type { Watchers } from '../responses/watchers.ts';
import { withDistinctIds, withIds } from '../responses/with-ids.ts';
import { beginCall } from './call-context.ts';
import { newResponseCall } from './response-call.ts';
import type { ResponseCallContext, ResponsesApiParts, ResponseTerms } from './responses-api.ts';

/** A response that is to be made. */
export interface Making {
  readonly tenant: string;
  /** Who has it made, as it is kept; see encodePrincipal. */
  readonly maker: string;
  readonly response: Response;
  /** All items before the output. */
  readonly items: readonly Item[];
  /** The store has answered a question of it. */
  readonly reached: boolean;
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
  readonly #onOver: () => void;
  #wakeIdle: () => void = () => {};

  /** @param onOver called whenever one is over */
  constructor(parts: ResponsesApiParts, holder: string, watchers: Watchers, onOver: () => void) {
    this.#onOver = onOver;
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
    checkInput(asked, fields);
    const { history, input, asked: reached } = await resolveContext(this.store, tenant, asked, fields);
    const id = newResponseId();
    const newId = itemIds(id);
    const items = withDistinctIds([...history, ...withIds(input, newId)], newId);
    const added = items.slice(history.length);
    const nowUs = Date.now() * 1_000;
    const facts = { id, createdUs: nowUs, expiresUs: nowUs + this.#terms.ttlMs * 1_000 };
    const response = newResponse(id, nowSeconds(), { ...asked, input: [] });
    const maker = encodePrincipal(context.principal);
    return { tenant, maker, response, items, added, reached, facts, newId };
  }

  /** Makes a response and hands it out when it is done. */
  async unary(asked: ResponseParameters, context: ResponseCallContext): Promise<Response> {
    const making = await this.prepare(asked, context);
    if (asked.store !== false) await this.#reach(making);
    const { release, ...time } = beginCall(this.#watched(asked, context), this.#parts.limits);
    try {
      const request = this.#request(asked, making);
      const reply = await this.#handle(
        newResponseCall(request, context, false, time, making.added.length),
        context,
      );
      if (reply.kind !== 'unary') throw new Error('a unary call was not answered with a completion');
      return await this.#whole(asked, making, reply, time.signal);
    } finally {
      release();
    }
  }

  /** A response that its answer makes whole, and that is kept where that is wanted. */
  async #whole(
    asked: ResponseParameters,
    making: Making,
    { response: answer, told }: UnaryReply,
    signal: AbortSignal,
  ): Promise<Response> {
    const { response } = making;
    try {
      const lifeCycle = new LifeCycle({ response, newId: making.newId, now: nowSeconds });
      const unheard: ResponseEvent[] = [];
      lifeCycle.begin(unheard);
      lifeCycle.add(await answerEvents(answer, told?.before, told?.after), unheard);
      if (answer.callReport !== undefined) response.callReport = answer.callReport;
      await this.#beforeEnd(making, response);
      // The answer is there: it is worth waiting for the store.
      if (asked.store !== false) await persist(() => this.#create(making, 'over'), this.#patienceMs, signal);
    } catch (error) {
      throw afterCall(error);
    }
    return response;
  }

  /** Makes a response whose events its client pulls. Resolves at the first output. */
  async stream(asked: ResponseParameters, context: ResponseCallContext): Promise<ResponseRun> {
    const making = await this.prepare(asked, context);
    const keeps = asked.store !== false;
    if (keeps) await this.#reach(making);
    const { release, ...time } = beginCall(this.#watched(asked, context), this.#parts.limits);
    try {
      const answer = await this.#answer(asked, making, context, time);
      if (keeps) await this.#createFor(answer, making);
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
   * @param before what was found out about those
   */
  async alone(making: Making, context: ResponseCallContext, logged: number, before?: Rebuilt): Promise<void> {
    const asked = { ...(making.response.parameters as ResponseParameters), input: [] };
    const stopping = new AbortController();
    const client = watchSignal(stopping.signal);
    const { release, ...time } = beginCall({ ...context, client }, this.#parts.limits);
    const options = { keeps: true, logged, release, survives: true, before };
    const opening = this.#answer(asked, making, context, time);
    const answer = openLater(opening, () => stopping.abort());
    await this.#run(making, answer, context, options).finish();
  }

  /** Waits until none is under way. @returns whether that was so within `ms` */
  async idle(ms: number): Promise<boolean> {
    const until = performance.now() + ms;
    while (this.#running.size > 0) {
      const left = until - performance.now();
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wakeIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  }

  /** Stops one of this process. */
  async stop(id: string): Promise<void> {
    await this.#running.get(id)?.cancel();
  }

  get #terms(): ResponseTerms {
    return this.#parts.terms();
  }

  get #patienceMs(): number {
    return Math.min(this.#terms.leaseMs, patienceMs);
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
    time: Omit<CallSignal, 'release'>,
  ): Promise<EventStream> {
    const call = newResponseCall(this.#request(asked, making), context, true, time, making.added.length);
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
      readonly before?: Rebuilt | undefined;
    },
  ): ResponseRun {
    const { response, newId, tenant, facts } = making;
    const { id } = facts;
    const { logged, before } = options;
    const fromItem = before?.itemCount ?? 0;
    const lifeCycle = new LifeCycle({ response, newId, now: nowSeconds, from: logged, fromItem });
    const begun: ResponseEvent[] = [];
    if (logged === 0) lifeCycle.open(begun);
    lifeCycle.tell(before?.endings ?? [], begun);
    lifeCycle.begin(begun);
    const terms = this.#terms;
    const cancellable = response.parameters?.background === true;
    const keeper = options.keeps
      ? new Keeper({
          store: this.store,
          tenant,
          id,
          holder: this.#holder,
          logged,
          terms,
          cancellable,
          onStop: (error) => void (error === null ? run.cancel() : run.abandon(error)),
          onEvents: () => this.#watchers.notify(id),
        })
      : null;
    const run = new ResponseRun({
      lifeCycle,
      answer,
      requestId,
      keeper,
      begun,
      survives: options.survives,
      movesOn: cancellable && terms.resume === 'restart',
      beforeEnd: (whole) => this.#beforeEnd(making, whole),
      onOver: () => {
        options.release();
        if (this.#running.get(id) === run) this.#running.delete(id);
        this.#watchers.notify(id);
        this.#onOver();
        this.#wakeIdle();
      },
    });
    if (keeper !== null) this.#running.set(id, run);
    return run;
  }

  /** What has to be there when the end is told: the conversation's new turn, and items under ids of the provider's. */
  async #beforeEnd({ tenant, items, added, facts }: Making, { parameters, output }: Response): Promise<void> {
    const conversation = parameters?.conversationId ?? '';
    if (conversation !== '') {
      const bounds = { maxBytes: this.#terms.maxBytes, patienceMs: this.#patienceMs };
      // Not every provider's ids are unique over responses.
      const known = items.map((item) => item.id);
      const turn = { given: added, made: withDistinctIds(output, newItemId, known) };
      await addToConversation(this.store, tenant, conversation, turn, bounds);
    }
    if (parameters?.store === false) return;
    const others = output.map(({ id }) => id).filter((id) => id !== '' && responseOfItem(id) === null);
    if (others.length > 0) {
      await persist(() => this.store.indexItems(tenant, facts, others), this.#patienceMs);
    }
  }

  /** Finds out whether the store can be reached, before a model is asked for what would be lost. */
  async #reach({ tenant, facts, reached }: Making): Promise<void> {
    if (reached) return;
    await this.store.events(tenant, facts.id, 0, 0);
  }

  async #createFor(answer: EventStream, making: Making): Promise<void> {
    try {
      await this.begin(making);
    } catch (error) {
      await answer.return().catch(() => {});
      throw afterCall(error);
    }
  }

  async #create({ tenant, maker, response, items, facts }: Making, open: NewResponse['open']): Promise<void> {
    const { maxBytes } = this.#terms;
    const body = encodeBody(response);
    const input = encodeItems(items);
    let bytes = body.length;
    for (const item of input) bytes += item.length;
    if (bytes > maxBytes) throw tooLarge(`the response ${facts.id}`, maxBytes);
    await this.store.create(tenant, { ...facts, body, input, maker, open });
  }
}

/** A request that says nothing, nor goes on from anything, asks for nothing. */
function checkInput({ input, ...asked }: ResponseParameters, fields: FieldNames): void {
  const { previousResponseId, conversationId, promptJson, options } = asked;
  if (input.length > 0 || (options?.sessionId ?? '') !== '') return;
  if (previousResponseId !== '' || conversationId !== '' || promptJson !== '') return;
  throw invalidRequest(
    fields.input,
    `Missing '${fields.input}': one of it, ${fields.previous}, ${fields.conversation} and prompt has to be there.`,
  );
}

/** Whether it goes on without its client: only where something of it is kept. */
const survives = ({ options, background, store, conversationId }: ResponseParameters): boolean =>
  background ||
  (options?.finishWhenAbandoned === true &&
    (store !== false || conversationId !== '' || options.sessionId !== ''));

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
