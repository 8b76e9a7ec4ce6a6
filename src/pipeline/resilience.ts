import type { UpstreamAttempt } from '../../gen/llmgateway/v1/attempt_pb.js';
import type { CallReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import { contentOf, encryptedIn } from '../model/encrypted.ts';
import { type EventStream, tapEvents } from '../model/events.ts';
import { Attempts, type Job } from '../resilience/attempts.ts';
import type { Lease } from '../resilience/lease.ts';
import type { Origins } from '../resilience/origins.ts';
import type { Group } from '../resilience/plan.ts';
import type { Targets } from '../resilience/targets.ts';
import { type Call, type ChatCall, deadlineOf, type Handler, type Reply, type Stage } from './call.ts';
import { type Deployment, type Route, type RoutePlan, wayOf } from './route.ts';

export interface ResilienceStageOptions {
  readonly targets: Targets;
  readonly origins: Origins;
}

/**
 * Gets a call answered by one of the routes of its plan. Each attempt is a call of its own with one of these, and passes the stages that hang
 * on the route; those before this one see one call and one reply. What has given its first output is final.
 */
export function resilienceStage({ targets, origins }: ResilienceStageOptions): Stage {
  return (next) => async (call) => {
    const given = call.plan ?? planOfRoute(call);
    const choice = hasChoice(given);
    const plan = choice ? preferred(pinned(given, call, origins), call.report) : given;
    const job = new CallJob(call, plan, next);
    const attempts = new Attempts<Deployment, Reply>(targets, job);
    const { report } = call;
    let reply: Reply;
    try {
      reply = await attempts.run();
    } catch (error) {
      job.failed(error);
      throw error;
    }
    job.accept(reply);
    report.model = attempts.model;
    return choice && call.kind === 'chat' ? remembering(reply, call, origins) : reply;
  };
}

const hasChoice = ({ deployments, fallbacks }: RoutePlan): boolean =>
  deployments.length > 1 || fallbacks.length > 0;

/** A call that was routed by somebody else. */
const planOfRoute = (call: Call): RoutePlan => ({
  model: call.request.model,
  deployments: [{ ...(call.route as Route), weight: 1, price: 0 }],
  routing: 'order',
  sticky: false,
  fallbacks: [],
  contextFallbacks: [],
});

/** What several attempts of one call share. */
class CallJob implements Job<Deployment, Reply> {
  readonly plan: RoutePlan;
  readonly #call: Call;
  readonly #next: Handler;
  /** What the report had before. */
  readonly #warnings: number;
  readonly #dropped: number;
  /** What attempts say that are made at the same time. */
  #own: Map<Reply, OwnReport> | null = null;
  /** It has its reply, or none: whoever is still under way has nothing to do with it any more. */
  #settled = false;

  constructor(call: Call, plan: RoutePlan, next: Handler) {
    this.plan = plan;
    this.#call = call;
    this.#next = next;
    this.#warnings = call.report.warnings.length;
    this.#dropped = call.report.droppedParams.length;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }

  get deadline(): number {
    return deadlineOf(this.#call);
  }

  /** A turn of a thread changes it. */
  get mayHedge(): boolean {
    return !(this.#call.kind === 'chat' && this.#call.route?.provider.keepsThreads && isTurn(this.#call));
  }

  stickyKey(): string {
    const { principal, kind, request } = this.#call;
    const text = kind === 'chat' ? contentOf(request.messages, stickyCharacters) : '';
    return `${principal.tenant}\n${text}`;
  }

  /** The first output of an answer that is not streamed is the whole. */
  limitsOf({ timeouts }: Deployment): { readonly firstTokenMs?: number; readonly totalMs?: number } {
    const { firstTokenMs, totalMs } = timeouts;
    if (this.#call.stream || firstTokenMs === undefined) return timeouts;
    return totalMs === undefined ? {} : { totalMs };
  }

  start(route: Deployment, group: Group<Deployment>, signal: AbortSignal, alone: boolean): Promise<Reply> {
    const call = this.#call;
    if (alone) return this.#next(attemptOf(call, route, group, this.plan, signal, call.report));
    const own = ownOf(call.report);
    const attempt = attemptOf(call, route, group, this.plan, signal, this.#divided(own));
    return this.#next(attempt).then((reply) => {
      (this.#own ??= new Map()).set(reply, own);
      return reply;
    });
  }

  undo(): void {
    const { report } = this.#call;
    report.warnings.length = this.#warnings;
    report.droppedParams.length = this.#dropped;
  }

  unasked(): void {
    this.#call.report.attempts--;
  }

  tried(attempt: UpstreamAttempt): void {
    const { report } = this.#call;
    if (!this.#settled) report.tries = [...report.tries, attempt];
  }

  watch(reply: Reply, lease: Lease): Reply {
    if (reply.kind !== 'stream') {
      lease.end(null);
      return reply;
    }
    const events = tapEvents(reply.events, lease);
    if (events === reply.events) return reply;
    const watched: Reply = { kind: 'stream', events };
    const own = this.#own?.get(reply);
    if (own !== undefined) this.#own?.set(watched, own);
    return watched;
  }

  discard(reply: Reply): void {
    if (reply.kind === 'stream') void reply.events.return().catch(() => {});
  }

  /** The reply is the client's: the report says how it came about. */
  accept(reply: Reply): void {
    this.#settled = true;
    const { report } = this.#call;
    const own = this.#own?.get(reply);
    if (own !== undefined) Object.assign(report, own);
    // Of several rounds each drops the same.
    if (this.#dropped > 0 && report.droppedParams.length > this.#dropped) {
      report.droppedParams = [...new Set(report.droppedParams)];
    }
    if (own !== undefined && reply.kind !== 'stream' && reply.kind !== 'count') {
      reply.response.callReport = report;
    }
  }

  /** There is no reply: the report names whom the client is told of, or else who was asked last. */
  failed(error: unknown): void {
    this.#settled = true;
    if (!(error instanceof GatewayError)) return;
    const { provider, tries = [] } = error.facts;
    const ofIt = tries.filter((one) => one.provider === provider);
    const told = ofIt.find(({ outcome }) => outcome === error.reasonName) ?? ofIt[0];
    if (told === undefined) return;
    const { report } = this.#call;
    report.provider = told.provider;
    report.upstreamModel = told.upstreamModel;
  }

  /** The call's report, but for what hangs on the route: several attempts write to it at the same time. */
  #divided(own: OwnReport): CallReport {
    return new Proxy(this.#call.report, {
      get: (all, key) => Reflect.get(Object.hasOwn(own, key) ? own : all, key),
      set: (all, key, value) => {
        if (!Object.hasOwn(own, key)) return Reflect.set(all, key, value);
        // Who was asked last is known to the call also when none of them answers.
        if (!this.#settled && (key === 'provider' || key === 'upstreamModel')) Reflect.set(all, key, value);
        return Reflect.set(own, key, value);
      },
    });
  }
}

/** Characters of a conversation's beginning by which it is known again. */
const stickyCharacters = 2_048;

function attemptOf(
  call: Call,
  route: Route,
  { model }: Group<Deployment>,
  plan: RoutePlan,
  signal: AbortSignal,
  report: CallReport,
): Call {
  if (call.kind === 'chat') {
    const request = model === plan.model ? call.request : { ...call.request, model };
    return { ...call, request, route, signal, report };
  }
  return { ...call, route, signal, report };
}

const isTurn = ({ request: { extras } }: ChatCall): boolean =>
  extras?.dialect === 'anthropic.messages' && extras.json.includes('"thread"');

type OwnReport = Pick<CallReport, 'provider' | 'upstreamModel' | 'warnings' | 'droppedParams'>;

const ownOf = ({ warnings, droppedParams }: CallReport): OwnReport => ({
  provider: '',
  upstreamModel: '',
  warnings: [...warnings],
  droppedParams: [...droppedParams],
});

/** A call that asks again goes where it was answered before: the answer's state is of use there, and what failed need not fail again. */
function preferred(plan: RoutePlan, { provider, upstreamModel }: CallReport): RoutePlan {
  if (provider === '') return plan;
  const isIt = (one: Deployment): boolean =>
    one.provider.name === provider && one.upstreamModel === upstreamModel;
  const groups = [plan, ...plan.fallbacks];
  const at = groups.findIndex(({ deployments }) => deployments.some(isIt));
  const group = groups[at];
  if (group === undefined) return plan;
  const first = group.deployments.filter(isIt);
  const rest = group.deployments.filter((one) => !isIt(one));
  const others = groups.filter((one) => one !== group);
  const { contextFallbacks } = plan;
  if (rest.length === 0) return { ...group, fallbacks: others, contextFallbacks };
  return {
    ...group,
    deployments: [...first, ...rest],
    routing: 'order',
    sticky: false,
    fallbacks: others,
    contextFallbacks,
  };
}

/**
 * The plan without those that could not read what the conversation has of another's state. Providers that do not take such state are left:
 * for them it is dropped, with a warning.
 */
function pinned(plan: RoutePlan, call: Call, origins: Origins): RoutePlan {
  if (call.kind !== 'chat') return plan;
  const origin = originOf(call, origins);
  if (origin === undefined) return plan;
  const canRead = ({ provider }: Deployment): boolean =>
    provider.name === origin || wayOf(call, provider) === provider;
  const ofOrigin = plan.deployments.filter(({ provider }) => provider.name === origin);
  const readers = (group: Group<Deployment>): Group<Deployment>[] => {
    const deployments = group.deployments.filter(canRead);
    return deployments.length === 0 ? [] : [{ ...group, deployments }];
  };
  if (ofOrigin.length === 0) return plan;
  return { ...plan, deployments: ofOrigin, fallbacks: plan.fallbacks.flatMap(readers) };
}

function originOf({ request }: ChatCall, origins: Origins): string | undefined {
  for (const { parts } of request.messages) {
    for (const part of parts) {
      const encrypted = encryptedIn(part);
      const origin = encrypted === '' ? undefined : origins.of(encrypted);
      if (origin !== undefined) return origin;
    }
  }
  return undefined;
}

/** Has the origin of encrypted content remembered. */
function remembering(reply: Reply, call: ChatCall, origins: Origins): Reply {
  const { provider } = call.report;
  const keep = (encrypted: string): void => {
    if (encrypted !== '') origins.remember(encrypted, provider);
  };
  if (reply.kind === 'unary') {
    for (const { message } of reply.response.choices) {
      for (const part of message?.parts ?? []) keep(encryptedIn(part));
    }
  } else if (reply.kind === 'stream') {
    const events: EventStream = tapEvents(reply.events, {
      events(batch) {
        for (const { event } of batch) {
          if (event.case === 'partEnded' && event.value.final !== undefined)
            keep(encryptedIn(event.value.final));
          else if (event.case === 'partStarted' && event.value.content !== undefined)
            keep(encryptedIn(event.value.content));
        }
      },
    });
    return { kind: 'stream', events };
  }
  return reply;
}
