import type { UpstreamAttempt } from '../../gen/llmgateway/v1/attempt_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { pause } from '../base/pause.ts';
import { GatewayError, isLate } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import { backoffMs } from './backoff.ts';
import { Branch } from './branch.ts';
import { allOpen, isUnasked, toldOf } from './failure.ts';
import { Lease } from './lease.ts';
import { ordered, sticky } from './order.ts';
import type { Candidate, Group, Plan } from './plan.ts';
import { Failed, firstOf } from './race.ts';
import type { HedgeDelay, ResilienceRules } from './rules.ts';
import type { Target, Targets } from './targets.ts';
import { verdictOf, type Way, wayOf } from './verdict.ts';

/** A call for which deployments are asked. `T` is its answer, which may still be coming. */
export interface Job<C extends Candidate, T> {
  readonly plan: Plan<C>;
  /** Aborts when nobody wants an answer any more. */
  readonly signal: AbortSignal;
  /** When the call has to be over, on the clock of performance.now(). */
  readonly deadline: number;
  /** Two deployments may be asked at the same time. */
  readonly mayHedge: boolean;
  /** What calls have in common that should go to the same deployment. */
  stickyKey(): string;
  /** What one attempt may take, if that is bound. */
  limitsOf(candidate: C): { readonly firstTokenMs?: number; readonly totalMs?: number };
  /** Asks one. Resolves at the first output. @param alone no other is asked at the same time */
  start(candidate: C, group: Group<C>, signal: AbortSignal, alone: boolean): Promise<T>;
  /** An attempt failed that was alone: what it left with the call has to go. */
  undo(): void;
  /** No request of an attempt that failed went to the provider: it is none of the call's. */
  unasked(): void;
  /** An attempt is over. Where none fails, that is told of none. */
  tried(attempt: UpstreamAttempt): void;
  /** Has the lease told when the answer is over. */
  watch(answer: T, lease: Lease): T;
  /** Stops an answer that nobody wants. */
  discard(answer: T): void;
}

/** The hedge before this time would be for nothing. */
const leastHedgeMs = 10;
const slow = Symbol('slow');
const notAsked = new Failed('elsewhere', null);

/** The attempts of one call: until one answers, or nothing is left to try. */
export class Attempts<C extends Candidate, T> {
  readonly #targets: Targets;
  readonly #job: Job<C, T>;
  readonly #rules: ResilienceRules;
  /** All so far but the successful one. */
  readonly #tries: UpstreamAttempt[] = [];
  /** Deployments that have had their turn. */
  #asked: Set<C> | null = null;
  /** How long until the first of the open breakers lets a call through, in milliseconds. */
  #opensMs = Number.POSITIVE_INFINITY;
  /** In how many of the tries no provider was asked. */
  #unasked = 0;
  #retryDenied = false;
  /** Who answered, and after how many milliseconds. */
  #success: readonly [one: C, ms: number] | null = null;
  #model = '';

  constructor(targets: Targets, job: Job<C, T>) {
    this.#targets = targets;
    this.#job = job;
    this.#rules = targets.rules();
  }

  /** @throws GatewayError, what the signal aborts with, or what is no failure of a provider */
  async run(): Promise<T> {
    let answer: T;
    try {
      answer = await this.#run();
    } catch (error) {
      throw error === this.#job.signal.reason ? this.#outOfTime(error) : error;
    }
    // With others beside it, it is told of as well.
    if (this.#tries.length > 0 && this.#success !== null)
      this.#note(this.#success[0], 'success', this.#success[1]);
    return answer;
  }

  /** The name of the model that answered. */
  get model(): string {
    return this.#model;
  }

  async #run(): Promise<T> {
    const { plan } = this.#job;
    const first = await this.#ask(plan);
    if (!(first instanceof Failed)) return first;
    const error = first.error ?? allOpen(plan.deployments, this.#opensMs);
    for (const group of this.#standIns(first.way)) {
      if (this.#tookTurn(group)) continue;
      this.#targets.tell('fellBack', plan.model, group.model);
      const result = await this.#ask(group);
      if (!(result instanceof Failed)) return result;
      // Nobody goes shopping for a provider that lets a prompt pass.
      if (result.error?.reason === ErrorReason.CONTENT_FILTERED) throw this.#told(result.error);
    }
    // How the model failed that it asked for.
    throw this.#told(error);
  }

  #standIns(way: Way): readonly Group<C>[] {
    const { fallbacks, contextFallbacks } = this.#job.plan;
    switch (way) {
      case 'final':
        return [];
      case 'context':
        return contextFallbacks;
      case 'missing':
        return this.#rules.fallbackOnMissingModel ? fallbacks : [];
      default:
        return fallbacks;
    }
  }

  #tookTurn({ deployments }: Group<C>): boolean {
    const asked = this.#asked;
    return asked !== null && deployments.every((one) => asked.has(one));
  }

  /** Asks each deployment of a model once, then some of them again. */
  async #ask(group: Group<C>): Promise<T | Failed> {
    const order = this.#order(group);
    let failed: Failed = notAsked;
    let again: [C, Failed][] | null = null;
    for (const one of order) {
      if (this.#asked?.has(one)) continue;
      const result = await this.#turn(one, order, group);
      if (!(result instanceof Failed)) return result;
      if (result.way === 'final' || result.way === 'context') return result;
      if (result.error !== null) failed = result;
      if (result.way === 'again') (again ??= []).push([one, result]);
    }
    return again === null ? failed : this.#retry(again, group, failed);
  }

  #order(group: Group<C>): readonly C[] {
    const { deployments, routing } = group;
    if (deployments.length < 2) return deployments;
    if (group.sticky) return sticky(deployments, this.#job.stickyKey(), (one) => this.#targetOf(one).name);
    const failedSince = performance.now() - this.#rules.breaker.recoveryMs;
    return ordered(deployments, routing, (one) => this.#targetOf(one), failedSince);
  }

  async #retry(failures: [C, Failed][], group: Group<C>, before: Failed): Promise<T | Failed> {
    const { retry: rules } = this.#rules;
    const { signal, deadline } = this.#job;
    let failed = before;
    for (let n = 1; n < rules.maxAttempts && failures.length > 0; n++) {
      const [one, last] = failures.shift() as [C, Failed];
      const wanted = last.error?.facts.retryAfterMs;
      const wait = Math.max(wanted ?? 0, backoffMs(n, rules));
      if ((wanted ?? 0) > rules.maxRetryAfterMs || performance.now() + wait >= deadline) {
        n--;
        continue;
      }
      const target = this.#targetOf(one);
      if (target.breaker.waitMs > wait) {
        n--;
        continue;
      }
      if (!this.#targets.ofProvider(one.provider.name).retries.take(rules.budgetPerSecond)) {
        this.#retryDenied = true;
        return failed;
      }
      await pause(wait, signal);
      this.#targets.tell('retried', target, last.error?.reasonName ?? '');
      const result = await this.#attempt(one, group, null);
      if (!(result instanceof Failed)) return result;
      if (result.way === 'final' || result.way === 'context') return result;
      if (result.error !== null) failed = result;
      if (result.way === 'again') failures.push([one, result]);
    }
    return failed;
  }

  /** The first attempt of a deployment, maybe with a hedge. */
  #turn(one: C, order: readonly C[], group: Group<C>): Promise<T | Failed> {
    const { plan, mayHedge } = this.#job;
    this.#targets.ofProvider(one.provider.name).retries.earn(this.#rules.retry.budgetPercent);
    const isOnly = order.length < 2 && plan.fallbacks.length === 0;
    if (!isOnly) (this.#asked ??= new Set()).add(one);
    const delay = isOnly || !mayHedge ? 'off' : (group.hedge ?? this.#rules.hedge.delay);
    const delayMs = delay === 'off' ? null : this.#hedgeAfter(one, delay);
    if (delayMs === null) return this.#attempt(one, group, null);
    return this.#hedged(one, order, group, delayMs);
  }

  #hedgeAfter(one: C, delay: Exclude<HedgeDelay, 'off'>): number | null {
    const { hedges } = this.#targets.ofProvider(one.provider.name);
    hedges.earn(this.#rules.hedge.budgetPercent);
    const ms = delay === 'p95' ? this.#targetOf(one).latency.p95() : delay;
    return ms === null ? null : Math.max(ms, leastHedgeMs);
  }

  /** Asks one, and after a time another one as well; the first output wins. */
  async #hedged(one: C, order: readonly C[], group: Group<C>, delayMs: number): Promise<T | Failed> {
    const { signal } = this.#job;
    const branches = [new Branch(signal)];
    const began = performance.now();
    const first = this.#attempt(one, group, branches[0] as Branch);
    let second: Promise<T | Failed> | null = null;
    let timer: NodeJS.Timeout | undefined;
    try {
      const timeUp = new Promise<typeof slow>((resolve) => {
        timer = setTimeout(resolve, delayMs, slow);
      });
      const early = await Promise.race([first, timeUp]);
      if (early !== slow) return early;
      const other = this.#hedgeFor(one, order, group);
      if (other === null) return await first;
      this.#asked?.add(other.one);
      this.#targets.tell('hedged', this.#targetOf(one), this.#targetOf(other.one));
      branches.push(new Branch(signal));
      second = this.#attempt(other.one, other.group, branches[1] as Branch);
      const secondBegan = performance.now();
      const { result, i } = await firstOf(first, second);
      if (result instanceof Failed) return result;
      const [loser, ms] = i === 0 ? [other.one, secondBegan] : [one, began];
      this.#note(loser, 'cancelled', performance.now() - ms);
      branches[1 - i]?.stop(overtaken());
      this.#discardLater(i === 0 ? second : first);
      return result;
    } catch (error) {
      for (const branch of branches) branch.stop(overtaken());
      this.#discardLater(first);
      if (second !== null) this.#discardLater(second);
      // A client whose time is up is told of both.
      if (signal.aborted && isLate(signal.reason)) await Promise.allSettled([first, second]);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** What comes of an attempt that nobody waits for is given back. */
  #discardLater(attempt: Promise<T | Failed>): void {
    void attempt.then(
      (late) => {
        if (!(late instanceof Failed)) this.#job.discard(late);
      },
      () => {},
    );
  }

  /** The next in turn that has a closed breaker, as far as the budget reaches of the provider that is slow. */
  #hedgeFor(
    slowOne: C,
    order: readonly C[],
    group: Group<C>,
  ): { readonly one: C; readonly group: Group<C> } | null {
    const { plan } = this.#job;
    const groups = [group, ...(group === plan ? plan.fallbacks : [])];
    for (const next of groups) {
      for (const one of next === group ? order : next.deployments) {
        if (this.#asked?.has(one) || this.#targetOf(one).breaker.state !== 'closed') continue;
        const { hedges } = this.#targets.ofProvider(slowOne.provider.name);
        return hedges.take(0) ? { one, group: next } : null;
      }
    }
    return null;
  }

  /** One attempt. Rejects where no other may follow: nobody wants an answer, or the gateway itself is at fault. */
  async #attempt(one: C, group: Group<C>, branch: Branch | null): Promise<T | Failed> {
    const { signal } = this.#job;
    if (signal.aborted) throw signal.reason;
    const target = this.#targetOf(one);
    const ticket = target.breaker.enter();
    const began = performance.now();
    if (ticket === null) {
      this.#opensMs = Math.min(this.#opensMs, target.breaker.waitMs);
      this.#unasked++;
      this.#note(one, 'circuit_open', 0);
      branch?.release();
      return notAsked;
    }
    const provider = this.#targets.ofProvider(one.provider.name);
    const probe = ticket === true ? null : ticket;
    try {
      const place = provider.bulkhead.enter(branch?.signal ?? signal);
      if (place !== null) await place;
    } catch (cause) {
      probe?.settle('left');
      branch?.release();
      return this.#failed(one, cause, began, branch === null);
    }
    const { firstTokenMs, totalMs } = this.#job.limitsOf(one);
    const isBound = firstTokenMs !== undefined || totalMs !== undefined;
    const own = branch ?? (isBound ? new Branch(signal) : null);
    if (isBound) own?.limit(one.provider.name, firstTokenMs, totalMs);
    const lease = new Lease(target, provider, probe, own === null ? null : () => own.release());
    let answer: T;
    try {
      answer = await this.#job.start(one, group, own?.signal ?? signal, branch === null);
    } catch (cause) {
      if (signal.aborted || !(cause instanceof GatewayError)) lease.abandoned();
      else lease.end(cause);
      return this.#failed(one, cause, began, branch === null);
    }
    const ms = performance.now() - began;
    own?.firstOutput();
    lease.firstOutput(ms);
    if (this.#success === null) {
      this.#success = [one, ms];
      this.#model = group.model;
    }
    return this.#job.watch(answer, lease);
  }

  #failed(one: C, cause: unknown, began: number, alone: boolean): Failed {
    const { signal } = this.#job;
    if (signal.aborted) {
      const { reason } = signal;
      if (isLate(reason)) this.#note(one, reason.reasonName, performance.now() - began);
      throw reason;
    }
    if (!(cause instanceof GatewayError)) throw cause;
    const way = wayOf(cause, this.#rules.retry);
    const isRefusal = way === 'final' && verdictOf(cause) === 'left';
    // A refusal of the gateway's own is no try; of those that were given up is told already.
    if (!isRefusal) {
      this.#note(one, cause.reasonName, performance.now() - began);
      if (isUnasked(cause)) this.#unasked++;
      // With a request that is at fault itself it says nothing of who was asked.
      if (way !== 'final' && way !== 'context') this.#targetOf(one).failedAt = performance.now();
    }
    if (cause.facts.unasked) this.#job.unasked();
    // Of those at the same time each has left what it did with itself only.
    if (alone) this.#job.undo();
    return new Failed(way, cause);
  }

  /** A client whose time is up is told who had it. */
  #outOfTime(reason: unknown): unknown {
    if (!isLate(reason)) return reason;
    const tries = this.#tries;
    const last = tries.find(({ outcome }) => outcome === reason.reasonName) ?? tries.at(-1);
    if (last === undefined) return reason;
    const facts = { ...reason.facts, provider: last.provider };
    return this.#told(new GatewayError(reason.reason, reason.rawMessage, facts));
  }

  #note({ provider, upstreamModel }: C, outcome: string, ms: number): void {
    const attempt = build.upstreamAttempt(provider.name, upstreamModel, outcome, ms);
    this.#tries.push(attempt);
    this.#job.tried(attempt);
  }

  #told(error: GatewayError): GatewayError {
    return toldOf(error, this.#tries, this.#unasked, this.#retryDenied, this.#rules.retry);
  }

  #targetOf({ provider, upstreamModel }: C): Target {
    return this.#targets.of(provider.name, upstreamModel);
  }
}

const overtaken = (): GatewayError =>
  new GatewayError(ErrorReason.CANCELLED, 'another deployment answered first');
