import type { ContextReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { type Cms, CmsError, type ProcessRequest } from '../cms/cms.ts';
import { contentCharacters } from '../cms/measure.ts';
import { actionOf, type CmsAction, isNeeded, isRouted, readMode } from '../cms/mode.ts';
import type { Processed } from '../cms/processed.ts';
import { type Prompt, splitPrompt } from '../cms/prompt.ts';
import { headroomPercent, type TierShares, tierOf } from '../cms/tier.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import { estimateTokens } from '../tokens/estimate.ts';
import type { ChatCall, Stage } from './call.ts';

/** What is done with long prompts. */
export interface ContextPolicy {
  readonly shares: TierShares;
  /** Tokens that the context of the model takes to which a name leads. */
  readonly windowOf: (model: string) => number;
  /** Whether calls of tier 3 and 4 need the context management service. */
  readonly required: boolean;
  /** Whether it may shorten prompts; not without `required`. */
  readonly process: boolean;
  /** Null when it cannot be asked. */
  readonly cms: Cms | null;
  /** Why it cannot be asked. */
  readonly missing: string;
}

/**
 * Says how full the model's context is, and gets long prompts shortened where that is wanted. It comes after the session's history is
 * there, and before what providers want besides; a session keeps what the client said.
 * @param policy read anew for each call, since a reload replaces it
 */
export function contextStage(policy: () => ContextPolicy): Stage {
  return (next) => (call) => {
    if (call.kind !== 'chat') return next(call);
    const { shares, windowOf, required, process, cms, missing } = policy();
    const { model, messages, options } = call.request;
    const characters = contentCharacters(messages);
    const tokens = estimateTokens(characters, messages.length, call.route?.upstreamModel ?? model);
    const limit = windowOf(model);
    const tier = tierOf(tokens, limit, shares);
    const mode = readMode(options?.cmsMode ?? '');
    const report = build.contextReport(
      tokens,
      limit,
      tier,
      isRouted(mode, tier),
      headroomPercent(tokens, limit),
    );
    call.report.context = report;
    if (!required) return next(call);
    const needed = isNeeded(mode, tier);
    const action = process ? actionOf(mode, tier) : 'none';
    const changes = action === 'optimize' || action === 'plan';
    if (!needed && !changes) return next(call);
    const work: Work = { cms, missing, needed, action, report };
    return manage(call, work).then(() => next(call));
  };
}

/** What is to be done with one call. */
interface Work {
  readonly cms: Cms | null;
  readonly missing: string;
  /** The call fails without the service. */
  readonly needed: boolean;
  readonly action: CmsAction;
  readonly report: ContextReport;
}

async function manage(call: ChatCall, { cms, missing, needed, action, report }: Work): Promise<void> {
  if (call.letIn !== undefined) await call.letIn;
  const failed = (why: string, cause?: unknown): void => {
    if (needed) throw unavailable(report, why, cause);
    warn(call, 'cms_failed', `the context management service did not shorten the prompt: ${why}`);
  };
  if (cms === null) failed(missing);
  else if (needed && !(await cms.available(call.id, call.signal))) failed('it does not answer');
  else if (action === 'optimize' || action === 'plan') {
    try {
      await shorten(call, cms, action);
    } catch (error) {
      if (!(error instanceof CmsError)) throw error;
      failed(error.message, error);
    }
  }
}

/** @throws CmsError, or what the call's signal aborts with */
async function shorten(call: ChatCall, cms: Cms, action: 'optimize' | 'plan'): Promise<void> {
  const prompt = splitPrompt(call.request.messages);
  if (prompt === null) {
    const why = 'it has more than texts: pictures, sound, documents, or calls of tools';
    warn(call, 'cms_not_processed', `the prompt was not shortened: ${why}`);
  } else if (prompt.text !== '') {
    apply(call, prompt, await cms.process(requestOf(call, prompt)), action);
  }
}

const requestOf = ({ id, signal, request }: ChatCall, { text }: Prompt): ProcessRequest => ({
  text,
  model: request.model,
  conversationId: request.options?.sessionId ?? '',
  requestId: id,
  signal,
});

/** Puts what the service made of the prompt in its place. */
function apply(
  call: ChatCall,
  { system }: Prompt,
  { text, chunks }: Processed,
  action: 'optimize' | 'plan',
): void {
  const last = action === 'plan' ? chunks.at(-1) : undefined;
  const shorter = last ?? text;
  if (shorter === null) {
    warn(call, 'cms_not_processed', 'the context management service left the prompt as it was');
    return;
  }
  const message = build.message(Role.USER, [build.textPart(shorter)]);
  call.request = { ...call.request, messages: [...system, message] };
  const what = last === undefined ? 'a shorter text' : `the last of ${chunks.length} pieces`;
  const code = last === undefined ? 'cms_optimized' : 'cms_planned';
  warn(call, code, `the model was given ${what} in place of all messages but those of the system`);
}

const warn = ({ report }: ChatCall, code: string, explanation: string): void =>
  void report.warnings.push(build.warning(code, explanation, 'messages'));

function unavailable(
  { tier, tokenCount, tokenLimit }: ContextReport,
  why: string,
  cause: unknown,
): GatewayError {
  return new GatewayError(
    ErrorReason.DEPENDENCY_UNAVAILABLE,
    `CMS unavailable: ${why}, and this call is of tier ${tier} (${tokenCount} of ${tokenLimit} tokens), for which the context management service is needed`,
    { cause },
  );
}
