import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import { accountsOf, providerAccounts } from '../limits/classes.ts';
import type { Limits, Outcome, Permit } from '../limits/limits.ts';
import type { Account } from '../limits/store.ts';
import { tapEvents } from '../model/events.ts';
import { embeddingsBound, inputBound, outputBound } from '../usage/request-size.ts';
import { answerOf, type Call, type Reply, type Stage } from './call.ts';
import type { Route } from './route.ts';

/**
 * Keeps a client's calls within the limits of its key, its owner and of all. A call is one request whatever becomes of it, and holds its place until
 * its answer is over. Does not wait for the store itself: what comes after it may ask its own at the same time. Whoever does something that others notice
 * waits, and at the latest `letInStage`.
 */
export function limitsStage(limits: Limits): Stage {
  return (next) => (call) => {
    const { terms } = limits;
    const accounts = accountsOf(terms, call.principal);
    if (accounts.length === 0) return next(call);
    let permit: Permit | Promise<Permit>;
    try {
      permit = limits.take(accounts, tokensOf(call, accounts, terms.usualOutput));
    } catch (error) {
      return Promise.reject(error);
    }
    if (!(permit instanceof Promise)) {
      call.report.rateLimits = permit.report;
      call.used = countedBy(permit, undefined);
      return watched(answerOf(next, call), permit, outcomeOfCall);
    }
    const taken: { permit: Permit | null } = { permit: null };
    call.used = countedLater(taken, undefined);
    const letIn = permit.then((made) => {
      taken.permit = made;
      return made;
    });
    call.letIn = letIn;
    const reply = answerOf(next, call);
    // It may be there, or fail, before the store has answered.
    reply.catch(() => {});
    return letIn.then(
      (made) => {
        call.report.rateLimits = made.report;
        return watched(reply, made, outcomeOfCall);
      },
      (error: unknown) => {
        discard(reply);
        throw error;
      },
    );
  };
}

/** Waits for what the client's limits say. */
export const letInStage: Stage = (next) => (call) =>
  call.letIn === undefined ? next(call) : call.letIn.then(() => next(call));

/** Nobody gets a reply: one from the cache may have been there before its call was refused. */
const discard = (reply: Promise<Reply>): void =>
  void reply.then((made) => (made.kind === 'stream' ? made.events.return() : undefined)).catch(() => {});

/**
 * Keeps what is asked of a provider within the limits for it; a try that is refused may go elsewhere. Does not wait for the store itself: what comes
 * after it may ask its own at the same time. `admittedStage` waits.
 */
export function providerLimitsStage(limits: Limits): Stage {
  return (next) => (call) => {
    const { terms } = limits;
    const accounts = providerAccounts(terms, (call.route as Route).provider.name);
    if (accounts.length === 0) return next(call);
    let permit: Permit | Promise<Permit>;
    try {
      permit = limits.take(accounts, tokensOf(call, accounts, terms.usualOutput));
    } catch (error) {
      return Promise.reject(error);
    }
    if (!(permit instanceof Promise)) {
      call.used = countedBy(permit, call.used);
      return watched(answerOf(next, call), permit, outcomeOfTry);
    }
    const taken: { permit: Permit | null } = { permit: null };
    call.used = countedLater(taken, call.used);
    const admitted = permit.then((made) => {
      taken.permit = made;
      return made;
    });
    call.admitted = admitted;
    const reply = answerOf(next, call);
    // It may fail before the store has answered.
    reply.catch(() => {});
    return admitted.then(
      (made) => watched(reply, made, outcomeOfTry),
      // The reply has failed by the same.
      () => reply,
    );
  };
}

/** Waits for what was asked before. The last stage. */
export const admittedStage: Stage = (next) => (call) =>
  call.admitted === undefined ? next(call) : call.admitted.then(() => next(call));

// Made here rather than where the call is known: what hangs on these functions stays in memory longer than the call.
const countedBy =
  (permit: Permit, outer: Call['used']) =>
  (usage: Usage): void => {
    outer?.(usage);
    permit.used(tokensIn(usage));
  };

const countedLater =
  (taken: { readonly permit: Permit | null }, outer: Call['used']) =>
  (usage: Usage): void => {
    outer?.(usage);
    taken.permit?.used(tokensIn(usage));
  };

const tokensIn = ({ promptTokens, completionTokens }: Usage): number => promptTokens + completionTokens;

/** What a call uses at most, as far as that can be told; 0 where no limit asks for it. */
function tokensOf(call: Call, accounts: readonly Account[], usualOutput: number): number {
  if (!accounts.some(({ rule }) => rule.tokensPerMinute > 0)) return 0;
  if (call.kind === 'embeddings') return embeddingsBound(call.request);
  const { upstreamModel } = call.route as Route;
  return inputBound(call.request, upstreamModel) + outputBound(call.request, usualOutput);
}

/** Has the permit ended with the answer. */
function watched(
  answer: Promise<Reply>,
  permit: Permit,
  outcomeOf: (error: unknown) => Outcome,
): Promise<Reply> {
  return answer.then(
    (reply) => {
      if (reply.kind !== 'stream') {
        permit.end('counted');
        return reply;
      }
      const end = (): void => permit.end('counted');
      const events = tapEvents(reply.events, {
        events(batch) {
          if (batch[batch.length - 1]?.event.case === 'finished') end();
        },
        end,
        // What was delivered is counted further in, which comes right after this.
        abandoned: () => void setImmediate(end),
      });
      return { kind: 'stream', events };
    },
    (error: unknown) => {
      permit.end(outcomeOf(error));
      // A provider's limits are told of where they have refused the call, and nowhere else.
      if (outcomeOf === outcomeOfCall && error instanceof GatewayError) error.rateLimits ??= permit.report;
      throw error;
    },
  );
}

/** What fails before its answer by no fault of the client's is not counted. */
function outcomeOfCall(error: unknown): Outcome {
  if (!(error instanceof GatewayError)) return 'uncounted';
  const isClients = error.status < 500 && error.status !== 429;
  return isClients || error.reason === ErrorReason.DEADLINE_EXCEEDED ? 'counted' : 'uncounted';
}

/** What the provider saw it counts as well. */
function outcomeOfTry(error: unknown): Outcome {
  if (!(error instanceof GatewayError)) return 'uncounted';
  if (error.facts.upstreamStatus !== undefined) return 'counted';
  switch (error.reason) {
    case ErrorReason.UPSTREAM_TIMEOUT:
    case ErrorReason.UPSTREAM_INTERRUPTED:
    case ErrorReason.UPSTREAM_INVALID:
    case ErrorReason.UPSTREAM_FAILED:
    case ErrorReason.CANCELLED:
    case ErrorReason.DEADLINE_EXCEEDED:
      return 'counted';
    default:
      return 'uncounted';
  }
}
