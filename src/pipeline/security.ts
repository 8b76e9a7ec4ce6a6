import type { SensitivityReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import type { Group, Plan } from '../resilience/plan.ts';
import type { SecurityMode } from '../security/mode.ts';
import { readChat, readEmbeddings, readMessage } from '../security/request-texts.ts';
import type { Screen, Screening } from '../security/screening.ts';
import { embeddingsTokenText } from '../tokens/decode.ts';
import {
  answerOf,
  type Call,
  type CallSecurity,
  type ChatCall,
  type Handler,
  type Reply,
  type Stage,
} from './call.ts';
import type { Deployment, Route, RoutePlan } from './route.ts';
import { whenOver } from './when-over.ts';

/** What is done about sensitive texts. */
export interface SecurityPolicy {
  readonly screen: Screen;
  /** For calls of whom nothing else is said; null: as their face has it, off otherwise. */
  readonly mode: SecurityMode | null;
  /** By tenant. */
  readonly tenants: ReadonlyMap<string, SecurityMode>;
  /** What may answer sensitive calls for models without any secure deployment. */
  standIns(call: Call): readonly Group<Deployment>[];
}

/** Told of every call that was looked at, once. @param outcome `plain`, `sensitive`, `kept_from`, `refused` */
export type OnScreened = (mode: SecurityMode, outcome: string) => void;

export interface SecurityStageOptions {
  /** Read anew for each call, since a reload replaces it. */
  readonly policy: () => SecurityPolicy;
  readonly onScreened?: OnScreened;
}

/**
 * Looks at all texts of a call, its session's history included, and does with sensitive ones what the configuration says. Comes before everything that
 * sends texts away or keeps them.
 */
export function securityStage({ policy, onScreened }: SecurityStageOptions): Stage {
  return (next) => (call) => {
    const own = policy();
    const usual = modeOf(own, call.principal.tenant, call.faceSecurity);
    // What a face knows to be sensitive is kept to secure providers even where nobody looks.
    const mode = call.sensitive === true && usual !== 'block' ? 'route' : usual;
    if (mode === 'off') return next(call);
    const screening = own.screen.begin();
    if (call.kind === 'chat') readChat(call.request, screening);
    else readEmbeddings(call.request, screening, embeddingsTokenText);
    const report = build.sensitivityReport(mode);
    call.report.sensitivity = report;
    // What comes in later is looked at when it is there.
    const seen = call.kind === 'chat' ? call.request.messages : [];
    const security: CallSecurity = { mode, screening, report, outcome: 'plain', seen };
    call.security = security;
    const count = (): void => onScreened?.(mode, security.outcome);
    try {
      decide(call, security, own);
    } catch (error) {
      count();
      return Promise.reject(told(error, report));
    }
    // What is plain may become sensitive by what comes in later.
    const isOpen = onScreened !== undefined && call.kind === 'chat' && !report.sensitive;
    if (!isOpen) count();
    return (isOpen ? counted(next, call, count) : answerOf(next, call)).catch((error: unknown) => {
      throw told(error, report);
    });
  };
}

/** Counts a call once nothing can come into it any more: only tools bring something while its answer is streamed. */
const counted = (next: Handler, call: ChatCall, count: () => void): Promise<Reply> =>
  call.tools === undefined ? answerOf(next, call).finally(count) : whenOver(next, call, count);

/** What is done about sensitive texts of a tenant. @param face where the configuration says nothing. Default: "off" */
const modeOf = (
  { tenants, mode }: SecurityPolicy,
  tenant: string,
  face: SecurityMode | undefined,
): SecurityMode => tenants.get(tenant) ?? mode ?? face ?? 'off';

/**
 * Looks at texts that go to no model, or not yet.
 * @param texts asked only where somebody looks
 * @returns null where nobody looks
 * @throws GatewayError SENSITIVE_TEXT where it is sensitive and such texts are refused
 */
export function screened(
  policy: SecurityPolicy,
  { tenant, face }: { readonly tenant: string; readonly face: SecurityMode | undefined },
  texts: () => readonly string[],
): SensitivityReport | null {
  const mode = modeOf(policy, tenant, face);
  if (mode === 'off') return null;
  const screening = policy.screen.begin();
  for (const text of texts()) screening.read(text);
  const report = build.sensitivityReport(mode);
  tell(report, screening, false);
  if (report.sensitive && mode === 'block') throw told(refusal(report), report);
  return report;
}

/**
 * The same for what comes into a call on its way: what context management puts in place of messages, results of the gateway's tools, and those that
 * clients do not see.
 */
export function securityRoundsStage({ policy }: Pick<SecurityStageOptions, 'policy'>): Stage {
  return (next) => (call) => {
    const { security } = call;
    if (security === undefined || call.kind !== 'chat' || security.seen === call.request.messages)
      return next(call);
    const { screening } = security;
    const { findings } = screening;
    const seen = security.seen instanceof Set ? security.seen : new Set(security.seen);
    security.seen = seen;
    for (const message of call.request.messages) {
      if (seen.has(message)) continue;
      seen.add(message);
      readMessage(message, screening);
    }
    // Each round is a copy of the call as it was before the first one.
    if (call.sensitive !== true && (screening.sensitive || screening.findings > findings)) {
      try {
        decide(call, security, policy());
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return next(call);
  };
}

/**
 * The last stage: whatever went wrong before, what is to be kept to secure providers goes to no other.
 */
export const securityGuard: Stage = (next) => (call) => {
  if (call.confined === true && (call.route as Route).secure !== true) {
    return Promise.reject(
      new GatewayError(
        ErrorReason.INTERNAL,
        'a sensitive call was about to go to a provider that may not have it',
      ),
    );
  }
  return next(call);
};

/** @throws GatewayError where the call may not go on */
function decide(call: Call, security: CallSecurity, policy: SecurityPolicy): void {
  const { mode, screening, report } = security;
  tell(report, screening, call.sensitive === true);
  if (!report.sensitive) {
    if (mode !== 'report' && call.chosen === true && screening.cautious) preferSecure(call, security);
    return;
  }
  call.sensitive = true;
  if (mode === 'block') {
    security.outcome = 'refused';
    throw refusal(report);
  }
  if (mode !== 'route') {
    security.outcome = 'sensitive';
    return;
  }
  const plan = call.plan ?? planOf(call);
  const confined = confine(plan, () => policy.standIns(call));
  if (confined === null) {
    security.outcome = 'refused';
    throw new GatewayError(
      ErrorReason.NO_SECURE_PROVIDER,
      call.chosen === true || call.secureModels !== undefined
        ? `${holds(report)}, and no provider of security level high is available`
        : `${holds(report)}, and no provider of security level high has model ${JSON.stringify(call.request.model.slice(0, 200))}`,
      call.chosen === true ? {} : { field: 'model' },
    );
  }
  const from = (call.route as Route).provider.name;
  const first = confined.deployments[0] as Deployment;
  const isElsewhere = (call.route as Route).secure !== true;
  security.from ??= from;
  if (isElsewhere && report.keptFrom === '') report.keptFrom = from;
  lead(call, confined, first);
  call.confined = true;
  security.outcome = isElsewhere ? 'kept_from' : 'sensitive';
}

function tell(report: SensitivityReport, screening: Screening, known: boolean): void {
  report.score = screening.score;
  report.categories = screening.categories;
  report.sensitive = screening.sensitive || known;
}

const holds = ({ categories }: SensitivityReport): string =>
  `the request holds sensitive text${categories.length === 0 ? '' : ` (${categories.join(', ')})`}`;

const refusal = (report: SensitivityReport): GatewayError =>
  new GatewayError(ErrorReason.SENSITIVE_TEXT, `${holds(report)}, which this gateway does not pass on`);

function lead(call: Call, plan: RoutePlan, first: Deployment): void {
  const { model } = call.plan ?? call.request;
  call.plan = plan;
  call.route = first;
  if (call.kind === 'chat' && plan.model !== model) call.request = { ...call.request, model: plan.model };
}

/** Puts the models of a plan in front that may have sensitive text; the others stand in for them. */
function preferSecure(call: Call, security: CallSecurity): void {
  if (call.plan === undefined) return;
  security.from ??= (call.route as Route).provider.name;
  const { fallbacks, contextFallbacks, ...own } = call.plan;
  const isSecure = ({ deployments }: Group<Deployment>): boolean =>
    deployments.every(({ secure }) => secure === true);
  const groups = [own, ...fallbacks];
  const [first, ...rest] = [...groups.filter(isSecure), ...groups.filter((group) => !isSecure(group))];
  if (first === undefined || first === own) return;
  lead(call, { ...first, fallbacks: rest, contextFallbacks }, first.deployments[0] as Deployment);
}

/**
 * What of a plan may have sensitive text. Where the model has no secure deployment, the first of its stand-ins that has one takes its place.
 * @param others stand-ins of last resort
 * @returns null when there is none
 */
export function confine<C extends { readonly secure?: boolean }>(
  plan: Plan<C>,
  others: () => readonly Group<C>[],
): Plan<C> | null {
  const secure = (group: Group<C>): Group<C>[] => {
    const deployments = group.deployments.filter((one) => one.secure === true);
    return deployments.length === 0 ? [] : [{ ...group, deployments }];
  };
  const { fallbacks, contextFallbacks, ...own } = plan;
  let groups = [own, ...fallbacks].flatMap(secure);
  if (groups.length === 0) groups = others().flatMap(secure);
  const [first, ...rest] = groups;
  if (first === undefined) return null;
  return { ...first, fallbacks: rest, contextFallbacks: contextFallbacks.flatMap(secure) };
}

/** A call that was routed by somebody else. */
const planOf = (call: Call): RoutePlan => ({
  model: call.request.model,
  deployments: [{ ...(call.route as Route), weight: 1, price: 0 }],
  routing: 'order',
  sticky: false,
  fallbacks: [],
  contextFallbacks: [],
});

/** An error tells of it as an answer would. */
function told(error: unknown, report: SensitivityReport): unknown {
  if (error instanceof GatewayError) error.sensitivity ??= report;
  return error;
}
