import type { CreateChatCompletionResponse } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { CallReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { AnswerCache, Found } from '../cache/answer-cache.ts';
import {
  type AnswerKind,
  addLasting,
  decodeEntry,
  encodeEntry,
  isWhole,
  type KeptAnswers,
  lastingReport,
  vectorBytes,
} from '../cache/entry.ts';
import type { Flight, Rider } from '../cache/flight.ts';
import { chatKey, embeddingsKey, placesText } from '../cache/key.ts';
import { isDeterministic, mayKeep } from '../cache/may-keep.ts';
import { ownEvents } from '../cache/own-events.ts';
import { GatewayError, isLate } from '../errors/gateway-error.ts';
import { Assembler, type OpaqueReader } from '../model/assemble.ts';
import * as build from '../model/build.ts';
import { completionEvents } from '../model/completion-events.ts';
import { type EventStream, type StreamEvent, tapEvents } from '../model/events.ts';
import { answerOf, type Call, type Handler, type Reply, type Stage } from './call.ts';
import type { Route } from './route.ts';

export interface CacheStageOptions {
  readonly cache: AnswerCache;
  /** See Assembler. */
  readonly readOpaque: OpaqueReader;
}

type Answer = KeptAnswers[AnswerKind];

/** Entries were never deleted as often. */
const never = -1;

/** How things were before the provider was asked. */
interface Beginning {
  readonly warnings: number;
  readonly dropped: number;
  /** What was asked before entries were deleted, or before a fresh answer was wanted, is not kept afterwards. */
  clears: number;
  /** When that was, on the clock of performance.now(). */
  readonly at: number;
}

/** What equal calls at the same time share: one is made for the first of them. */
interface Shared {
  /** Whose call it is. */
  readonly principalId: string;
  readonly streamed: boolean;
  /** Of the first call; the stages behind write to it. */
  readonly report: CallReport;
  /** The whole answer, once it is there. */
  answer: Uint8Array | null;
  readonly from: Beginning;
}

/**
 * Answers a call with what an equal one was answered, or is being answered. A stream and a whole are equal: either is given as the other. Only
 * for calls whose answer hangs on nothing but what is asked; all others pass.
 */
export function cacheStage({ cache, readOpaque }: CacheStageOptions): Stage {
  return (next) => (call) => {
    if (!isCacheable(call, cache)) return next(call);
    const { forceRefresh, noStore } = wishesOf(call);
    if (forceRefresh && noStore) return next(call);
    const key = keyFor(call);
    if (key === null) return next(call);
    if (forceRefresh) {
      cache.count('refreshed');
      outdate(cache.flights.find(key));
      return alone(call, key, next);
    }
    const under = cache.flights.find(key);
    if (under !== undefined) return share(under, call, key, noStore, next);
    const found = cache.find(call.kind, key);
    if (found instanceof Promise) return found.then((late) => afterWait(late, call, key, noStore, next));
    return afterLookup(found, call, key, noStore, next);
  };

  /** What was asked before is not what others get from now on. */
  function outdate(flight: Flight | undefined): void {
    if (flight === undefined) return;
    (flight.note as Shared).from.clears = never;
    flight.shut();
  }

  /** Null when it cannot be made: then the call goes on as without a cache. */
  function keyFor(call: Call): string | null {
    try {
      return keyOf(call);
    } catch (error) {
      cache.failed(error);
      return null;
    }
  }

  /** Others may have asked while the store was. */
  function afterWait(
    found: Found | null,
    call: Call,
    key: string,
    noStore: boolean,
    next: Handler,
  ): Promise<Reply> {
    const under = found === null ? cache.flights.find(key) : undefined;
    return under === undefined
      ? afterLookup(found, call, key, noStore, next)
      : share(under, call, key, noStore, next);
  }

  /** With no flight under way. */
  function afterLookup(
    found: Found | null,
    call: Call,
    key: string,
    noStore: boolean,
    next: Handler,
  ): Promise<Reply> {
    if (found !== null) {
      const reply = replayed(found, call);
      if (reply !== null) {
        cache.count('hit');
        return Promise.resolve(reply);
      }
    }
    cache.count('miss');
    call.report.cache = 'miss';
    return noStore ? next(call) : lead(call, key, next);
  }

  /** The provider is asked for this call only; what it answers is kept. */
  async function alone(call: Call, key: string, next: Handler): Promise<Reply> {
    call.report.cache = 'miss';
    const from = beginningOf(call.report, cache);
    const reply = await next(call);
    if (reply.kind === 'stream') {
      const assembler = new Assembler(readOpaque);
      let bytes = 0;
      const { maxEntryBytes } = cache.terms();
      const events = tapEvents(reply.events, {
        events(batch) {
          for (const { event } of batch) bytes += event.case === 'delta' ? event.value.text.length : 0;
          if (bytes > maxEntryBytes) return;
          assembler.add(batch);
          if (assembler.finished) keep(call, key, 'chat', () => assembler.response(), from);
        },
      });
      return { kind: 'stream', events };
    }
    if (reply.kind !== 'count' && reply.kind !== 'compaction')
      keep(call, key, call.kind, () => reply.response, from);
    return reply;
  }

  /** The provider is asked for this call and for all equal ones that come meanwhile. */
  async function lead(call: Call, key: string, next: Handler): Promise<Reply> {
    const flight = cache.flights.begin(key);
    const { report, principal, stream: streamed } = call;
    const from = beginningOf(report, cache);
    const all: Shared = { principalId: principal.id, streamed, report, answer: null, from };
    flight.note = all;
    const rider = flight.board(call, ownEvents(null));
    let whole: Reply | null = null;
    answerOf(next, flown(call, flight)).then(
      (reply) => {
        if (reply.kind === 'stream') {
          flight.streams(reply.events, (batches) => {
            if (batches !== null) keep(call, key, 'chat', () => assembled(batches), from);
          });
          return;
        }
        whole = reply;
        if (reply.kind !== 'count' && reply.kind !== 'compaction') {
          all.answer = keep(call, key, call.kind, () => reply.response, from, flight.riders > 1);
        }
        flight.arrived();
      },
      (error: unknown) => flight.failed(error),
    );
    try {
      await rider.ready();
    } catch (error) {
      throw toldOf(error, call, all);
    }
    return whole ?? { kind: 'stream', events: rider };
  }

  /** Gets what an equal call is answered. */
  async function share(
    flight: Flight,
    call: Call,
    key: string,
    noStore: boolean,
    next: Handler,
  ): Promise<Reply> {
    const all = flight.note as Shared;
    const { report } = call;
    const rider = flight.board(call, ownEvents(report));
    try {
      await rider.ready();
    } catch (error) {
      // What concerns who asked first is not the fault of who asked later.
      if (isAskersOwn(error) && all.principalId !== call.principal.id && !call.signal.aborted) {
        return afterWait(null, call, key, noStore, next);
      }
      report.provider = all.report.provider;
      report.upstreamModel = all.report.upstreamModel;
      throw toldOf(ownError(error, call), call, all);
    }
    if (!all.streamed && all.answer === null) return next(call);
    cache.count('shared');
    addLasting(report, lastingReport(all.report, all.from));
    // Whoever asks services to remember goes by this report.
    const { sensitivity } = all.report;
    if (sensitivity?.sensitive === true) report.sensitivity = sensitivity;
    report.cache = 'shared';
    if (all.answer !== null) return asAsked(decodeEntry(call.kind, all.answer), call);
    if (call.stream) return { kind: 'stream', events: failingFor(call, rider) };
    return asAsked(await wholeOf(failingFor(call, rider)), call);
  }

  async function wholeOf(events: EventStream): Promise<CreateChatCompletionResponse> {
    const assembler = new Assembler(readOpaque);
    for (;;) {
      const result = await events.next();
      if (result.done) return assembler.response();
      assembler.add(result.value);
    }
  }

  function assembled(batches: readonly (readonly StreamEvent[])[]): CreateChatCompletionResponse {
    const assembler = new Assembler(readOpaque);
    for (const batch of batches) assembler.add(batch);
    return assembler.response();
  }

  /**
   * Keeps an answer, if it is one to be kept. Never fails.
   * @param wanted others wait for it, whether it is kept or not
   * @returns the answer as it is kept; null when nobody needs it, or it cannot be
   */
  function keep(
    call: Call,
    key: string,
    kind: AnswerKind,
    answerOf: () => Answer,
    from: Beginning,
    wanted = false,
  ): Uint8Array | null {
    const { report, principal, request } = call;
    try {
      const answer = answerOf();
      const isToBeKept =
        from.clears === cache.clears &&
        // Also where that was found behind this stage: the call as it went on is a copy, but its report is not.
        report.sensitivity?.sensitive !== true &&
        isOwnModels(call) &&
        isWorthIt(kind, answer, cache.terms().maxEntryBytes);
      if (!isToBeKept && !wanted) return null;
      const entry = encodeEntry(kind, answer as never, lastingReport(report, from), cache.now);
      const { tenant, owner } = principal;
      if (isToBeKept) cache.keep(key, { tenant, owner, model: request.model }, entry);
      return entry;
    } catch (error) {
      cache.failed(error);
      return null;
    }
  }
}

/** Whether the answer of a call hangs on nothing but what is asked. */
function isCacheable(call: Call, cache: AnswerCache): boolean {
  if (call.sensitive === true || call.plan === undefined) return false;
  if (call.kind === 'embeddings') return true;
  // What it is answered is no answer to what it asks.
  if (call.compacts === true) return false;
  if (call.tools !== undefined || call.session !== undefined) return false;
  if (!mayKeep(call.request, call.api === 'responses')) return false;
  return !cache.terms().deterministicOnly || isDeterministic(call.request);
}

/** Encoding vectors to find out how large they are would cost more than it is worth. */
const isWorthIt = (kind: AnswerKind, answer: Answer, maxBytes: number): boolean =>
  kind === 'chat'
    ? isWhole(answer as KeptAnswers['chat'])
    : vectorBytes(answer as KeptAnswers['embeddings']) <= maxBytes;

function wishesOf(call: Call): { readonly forceRefresh: boolean; readonly noStore: boolean } {
  const wishes = call.kind === 'chat' ? call.request.options : call.request;
  return { forceRefresh: wishes?.forceRefresh === true, noStore: wishes?.noStore === true };
}

function keyOf(call: Call): string {
  const { tenant } = call.principal;
  const places = placesText(call.plan as NonNullable<Call['plan']>);
  return call.kind === 'chat'
    ? chatKey({ tenant, api: call.api ?? 'chat', places }, call.request)
    : embeddingsKey({ tenant, api: '', places }, call.request);
}

const beginningOf = ({ warnings, droppedParams }: CallReport, { clears }: AnswerCache): Beginning => ({
  warnings: warnings.length,
  dropped: droppedParams.length,
  clears,
  at: performance.now(),
});

/** The answer of a model that stood in would outlive the other's trouble. */
function isOwnModels({ plan, report, route }: Call): boolean {
  if (plan === undefined) return false;
  if (report.model !== '') return report.model === plan.model;
  return (route as Route).upstreamModel === report.upstreamModel;
}

/** The call as it goes on: for all who wait, and as long as any of them does. */
const flown = (call: Call, flight: Flight): Call => ({ ...call, signal: flight.signal, awaited: flight });

/** The reply that an entry makes; null for one that cannot be read. */
function replayed({ entry, ageMs }: Found, call: Call): Reply | null {
  let answer: Answer;
  try {
    answer = decodeEntry(call.kind, entry);
  } catch {
    return null;
  }
  const { report } = call;
  if (answer.callReport !== undefined) addLasting(report, answer.callReport);
  report.cache = 'hit';
  report.cacheAgeSeconds = Math.floor(ageMs / 1_000);
  return asAsked(answer, call);
}

/** An answer that is the call's own, in the form that was asked for. */
function asAsked(answer: Answer, call: Call): Reply {
  const { report } = call;
  answer.callReport = report;
  if (call.kind === 'embeddings') {
    return { kind: 'embeddings', response: answer as KeptAnswers['embeddings'] };
  }
  const response = answer as KeptAnswers['chat'];
  if (!call.stream) return { kind: 'unary', response };
  const own = ownEvents(report);
  const events = completionEvents(response);
  return {
    kind: 'stream',
    events: {
      next: async () => {
        const result = await events.next();
        return result.done ? result : { done: false, value: own(result.value) };
      },
      return: () => events.return(),
    },
  };
}

const isAskersOwn = (error: unknown): boolean =>
  error instanceof GatewayError &&
  (error.reason === ErrorReason.BUDGET_EXHAUSTED ||
    error.reason === ErrorReason.RATE_LIMITED ||
    error.reason === ErrorReason.PERMISSION_DENIED);

/** An error is told with the id of the request that it ends. */
const ownError = (error: unknown, { signal }: Call): unknown =>
  error instanceof GatewayError && error !== signal.reason
    ? new GatewayError(error.reason, error.rawMessage, error.facts)
    : error;

/** Whose time is up while others go on waiting is told of the tries so far. */
function toldOf(error: unknown, { signal }: Call, { report, from }: Shared): unknown {
  const { provider, upstreamModel, attempts, tries } = report;
  if (error !== signal.reason || !isLate(error) || provider === '') return error;
  let ms = performance.now() - from.at;
  for (const { durationMs } of tries) ms -= durationMs;
  const last = build.upstreamAttempt(provider, upstreamModel, error.reasonName, ms);
  return new GatewayError(error.reason, error.rawMessage, {
    ...error.facts,
    provider,
    attempts,
    tries: [...tries, last],
  });
}

const failingFor = (call: Call, rider: Rider): EventStream => ({
  next: () =>
    rider.next().catch((error: unknown) => {
      throw ownError(error, call);
    }),
  return: () => rider.return(),
});
