import {
  type CompactResponseResponse,
  type Item,
  type Response,
  type ResponseParameters,
  ResponseStatus,
} from '../../gen/llmgateway/v1/responses_service_pb.js';
import { decodePrincipal } from '../auth/principal.ts';
import { invalidRequest } from '../errors/gateway-error.ts';
import type { Logger } from '../observability/log.ts';
import type { Handler, TokenCount } from '../pipeline/call.ts';
import { chatRequestOf } from '../responses/chat-request.ts';
import { noSuchEvent, notStreamed, responseNotFound } from '../responses/errors.ts';
import type { ResponseEventStream } from '../responses/event-stream.ts';
import { follow } from '../responses/follow.ts';
import { type FieldNames, resolveContext } from '../responses/history.ts';
import { isResponseId } from '../responses/ids.ts';
import { decodeBody, decodeItems } from '../responses/items.ts';
import { newHolder } from '../responses/keeper.ts';
import { inOwnWords } from '../responses/own-words.ts';
import type { ResponseStore, StoredResponse } from '../responses/store.ts';
import { Watchers } from '../responses/watchers.ts';
import { BackgroundResponses } from './background-responses.ts';
import { beginCall, type CallContext, type CallLimits } from './call-context.ts';
import { compactionOf } from './compaction-of.ts';
import { newResponseCall } from './response-call.ts';
import { ResponseMaker } from './response-maker.ts';

/** What holds for stored responses. Read anew for each. */
export interface ResponseTerms {
  /** After how long without a sign of life a response is taken for abandoned, in milliseconds. */
  readonly leaseMs: number;
  /** Bound of a response with its input and events, in bytes. */
  readonly maxBytes: number;
  /** Life of a stored response, in milliseconds. */
  readonly ttlMs: number;
  /** Stored responses that one gateway makes at the same time before further background ones wait. */
  readonly maxBackground: number;
  /** What becomes of a background response whose gateway died. */
  readonly resume: 'fail' | 'restart';
}

/** ResponsesService as an object: RPC and REST call the same one. Rejects with GatewayError. */
export interface ResponsesApi {
  createResponse(asked: ResponseParameters, context: ResponseCallContext): Promise<Response>;
  /** Resolves at the first output, or at once with `background`. The stream has to be read to its end or returned. */
  streamResponse(asked: ResponseParameters, context: ResponseCallContext): Promise<ResponseEventStream>;
  getResponse(tenant: string, id: string): Promise<Response>;
  /** @param from number of the first event that is wanted */
  resumeResponse(id: string, from: number, context: ResponseCallContext): Promise<ResponseEventStream>;
  deleteResponse(tenant: string, id: string): Promise<void>;
  cancelResponse(id: string, context: ResponseCallContext): Promise<Response>;
  listInputItems(tenant: string, id: string): Promise<Item[]>;
  countInputTokens(asked: ResponseParameters, context: ResponseCallContext): Promise<TokenCount>;
  /** Items that stand for a conversation. They are not kept. */
  compactResponse(asked: ResponseParameters, context: ResponseCallContext): Promise<CompactResponseResponse>;
  /** Takes on no response that waits or was left by another gateway any more. */
  retire(): void;
  /** Waits until none is being made here. @returns whether that was so within `ms` */
  idle(ms: number): Promise<boolean>;
}

/** Who asks for a response, and where the client wrote what. */
export interface ResponseCallContext extends CallContext {
  readonly tenant: string;
  readonly fields: FieldNames;
}

export interface ResponsesApiParts {
  readonly store: ResponseStore;
  /** Wakes those who follow responses. Default: those of this process. */
  readonly watchers?: Watchers;
  /** Answers calls for completions. */
  readonly handle: Handler;
  /** Answers calls that only count tokens. */
  readonly count: Handler;
  readonly limits: CallLimits;
  readonly terms: () => ResponseTerms;
  readonly log: Logger;
}

/** How long a client that cancels a response waits until it has stopped, in milliseconds. */
const stopWaitMs = 5_000;

/** What RPC clients call them. */
export const rpcFields: FieldNames = {
  previous: 'parameters.previous_response_id',
  conversation: 'parameters.conversation_id',
  input: 'parameters.input',
  store: 'parameters.store',
  stream: 'id',
  after: 'starting_after',
};

export function responsesApi(parts: ResponsesApiParts): ResponsesApi {
  const { store, handle, count, limits, terms, log } = parts;
  const holder = newHolder();
  const { watchers = new Watchers() } = parts;
  const maker = new ResponseMaker(parts, holder, watchers, () => background.onOver());
  const background = new BackgroundResponses({
    maker,
    holder,
    watchers,
    terms,
    log,
    contextOf: (tenant, id, maker) => ({
      requestId: id,
      face: 'background',
      principal: decodePrincipal(maker, tenant),
      client: () => () => {},
      timeoutMs: null,
      tenant,
      fields: rpcFields,
    }),
  });

  async function read(tenant: string, id: string): Promise<StoredResponse> {
    for (let tries = 0; ; tries++) {
      const stored = isResponseId(id) ? await store.read(tenant, id) : null;
      if (stored === null) throw responseNotFound(id, 'response_id');
      if (!stored.abandoned || tries === 1) return stored;
      await background.bury(tenant, id);
    }
  }

  function following(id: string, from: number, context: ResponseCallContext): ResponseEventStream {
    const { tenant } = context;
    const { signal, release } = beginCall(context, limits);
    const bury = (): Promise<void> => background.bury(tenant, id);
    const { after: field } = context.fields;
    return follow({ store, tenant, id, from, field, watchers, signal, bury, onOver: release });
  }

  /** Ends a response at which nobody works. */
  async function endUnheld(tenant: string, id: string): Promise<void> {
    const claimed = await store.take(tenant, id, holder, terms().leaseMs);
    if (claimed !== null) await background.endUnheld(claimed, (lifeCycle, out) => lifeCycle.cancel(out));
  }

  return {
    async createResponse(asked, context) {
      if (!asked.background) return maker.unary(asked, context);
      const making = await maker.prepare(asked, context);
      const queued = { ...making.response };
      await background.add(making, context);
      return queued;
    },
    async streamResponse(asked, context) {
      if (!asked.background) return maker.stream(asked, context);
      const making = await maker.prepare(asked, context);
      await background.add(making, context);
      return following(making.facts.id, 0, context);
    },
    async getResponse(tenant, id) {
      return asItStands(await read(tenant, id));
    },
    async resumeResponse(id, from, context) {
      const { open, eventCount } = await read(context.tenant, id);
      if (!open && eventCount === 0) throw notStreamed(context.fields.stream);
      // One under way may come to it.
      if (!open && from > eventCount) throw noSuchEvent(from - 1, eventCount - 1, context.fields.after);
      return following(id, from, context);
    },
    async deleteResponse(tenant, id) {
      if (!isResponseId(id) || !(await store.delete(tenant, id))) throw responseNotFound(id, 'response_id');
      await maker.stop(id);
    },
    async cancelResponse(id, context) {
      const { tenant } = context;
      const stored = await read(tenant, id);
      if (decodeBody(stored.body).parameters?.background !== true) {
        throw invalidRequest(
          'response_id',
          'Only a response that was made in the background can be cancelled.',
        );
      }
      const result = await store.cancel(tenant, id);
      if (result === 'unheld') await endUnheld(tenant, id);
      await maker.stop(id);
      const { signal, release } = beginCall(context, limits);
      try {
        const until = performance.now() + stopWaitMs;
        for (;;) {
          const now = await read(tenant, id);
          if (!now.open || performance.now() > until || signal.aborted) return asItStands(now);
          await watchers.wait(id, 50, signal);
        }
      } finally {
        release();
      }
    },
    async listInputItems(tenant, id) {
      return decodeItems((await read(tenant, id)).input);
    },
    async countInputTokens(asked, context) {
      const { release, ...time } = beginCall(context, limits);
      try {
        const { history, input } = await resolveContext(store, context.tenant, asked, context.fields);
        const request = chatRequestOf({ ...asked, input }, history);
        const reply = await count(newResponseCall(request, context, false, time, input.length));
        if (reply.kind !== 'count') throw new Error('a call for a count was not answered with one');
        return reply.count;
      } catch (error) {
        throw inOwnWords(error, context.fields);
      } finally {
        release();
      }
    },
    async compactResponse(asked, context) {
      const { release, ...time } = beginCall(context, limits);
      try {
        const { history, input } = await resolveContext(store, context.tenant, asked, context.fields);
        const items = [...history, ...input];
        if (items.length === 0) {
          const { input: field } = context.fields;
          throw invalidRequest(field, `Invalid '${field}': there is nothing to compact.`);
        }
        const call = newResponseCall(
          chatRequestOf({ ...asked, input: [] }, items),
          context,
          false,
          time,
          input.length,
        );
        call.compacts = true;
        const reply = await handle(call);
        if (reply.kind === 'compaction') return reply.response;
        if (reply.kind !== 'unary') throw new Error('a call for a compaction was not answered with one');
        return compactionOf(items, reply.response);
      } catch (error) {
        throw inOwnWords(error, context.fields);
      } finally {
        release();
      }
    },
    retire: () => background.close(),
    idle: (ms) => maker.idle(ms),
  };
}

/** What is stored of a response under way is how it began; its log says whether somebody works at it. */
function asItStands({ body, open, eventCount }: StoredResponse): Response {
  const response = decodeBody(body);
  if (open && eventCount > 0) response.status = ResponseStatus.IN_PROGRESS;
  return response;
}
