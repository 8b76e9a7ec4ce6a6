import { create } from '@bufbuild/protobuf';
import type { CallReport } from '../../gen/llmgateway/v1/completion_pb.js';
import {
  type Answer,
  type Prompt,
  PromptSchema,
  ServicesReportSchema,
} from '../../gen/llmgateway/v1/query_service_pb.js';
import { isObject, type Json } from '../codec/json.ts';
import { invalidRequest, toGatewayError } from '../errors/gateway-error.ts';
import type { Integrations } from '../integrations/integrations.ts';
import { ServiceError } from '../integrations/service.ts';
import * as build from '../model/build.ts';
import { beginCall, type CallLimits } from './call-context.ts';
import { askerOf, failureOf } from './integrations-api.ts';
import { documentOf, interactionOf, userOf } from './interaction.ts';
import { type QueryApi, type QueryContext, type ScreenTexts, wasSensitive } from './query-api.ts';
import { checkPrompt } from './query-request.ts';
import { bounded, boundedDocuments, contextBlock, queryJson } from './query-texts.ts';
import { asServiceCall, type OnServiceCall } from './service-calls.ts';

/** Queries that are made with the platform's services. Rejects with GatewayError. */
export interface ComposedQueries {
  enhanced(prompt: Prompt, context: QueryContext): Promise<Answer>;
  contextual(prompt: Prompt, context: QueryContext): Promise<Answer>;
  workflow(prompt: Prompt, workflowType: string, context: QueryContext): Promise<WorkflowAnswer>;
}

/** What came of a workflow. */
export interface WorkflowAnswer {
  /** The orchestrator's answer as JSON text. */
  readonly resultJson: string;
  readonly report: CallReport;
}

export interface ComposedOptions {
  readonly queries: QueryApi;
  /** Read anew for each query, since a reload replaces it. */
  readonly integrations: () => Integrations;
  /** Longest wait for a service that an answer can do without, in milliseconds. */
  readonly optionalMs: () => number;
  readonly limits: CallLimits;
  readonly screen: ScreenTexts;
  /** Told of workflows. */
  readonly onOver: OnServiceCall;
}

/** Asks services that an answer can do without, and keeps account of them. */
class Helpers {
  readonly #used = new Set<string>();
  readonly #skipped = new Map<string, string>();
  readonly #ask: (service: string, operation: string, args: Json) => Promise<string>;
  readonly #signal: AbortSignal;

  constructor(ask: (service: string, operation: string, args: Json) => Promise<string>, signal: AbortSignal) {
    this.#ask = ask;
    this.#signal = signal;
  }

  /** What a service says; null when it says nothing. Rejects only when nobody waits for the answer any more. */
  async ask(service: string, operation: string, args: Json): Promise<unknown> {
    try {
      const said: unknown = unwrapped(JSON.parse(await this.#ask(service, operation, args)));
      this.#used.add(service);
      return said;
    } catch (error) {
      if (this.#signal.aborted) throw this.#signal.reason;
      const reason = error instanceof ServiceError ? error.reason : toGatewayError(error).rawMessage;
      if (!this.#skipped.has(service)) this.#skipped.set(service, reason);
      return null;
    }
  }

  report() {
    return create(ServicesReportSchema, {
      used: [...this.#used],
      skipped: [...this.#skipped].map(([service, reason]) => ({ service, reason })),
    });
  }
}

/** What is in the platform's envelope; an envelope that says that it failed is a failure, whatever the status was. */
function unwrapped(said: unknown): unknown {
  if (!isObject(said) || typeof said['success'] !== 'boolean') return said;
  if (said['success']) return 'data' in said ? said['data'] : said;
  const reason =
    typeof said['message'] === 'string' ? said['message'].slice(0, 200) : 'it says that it failed';
  throw new ServiceError('status', reason, { reason });
}

const memberOf = (value: unknown, name: string): unknown => (isObject(value) ? value[name] : undefined);
/** Whatever is no clear no is a yes: an analyzer may say it in other words. */
function saysYes(said: unknown): boolean {
  if (typeof said === 'string') return !['', 'false', 'no', '0'].includes(said.trim().toLowerCase());
  return said !== undefined && said !== null && said !== false && said !== 0;
}
const textIn = (value: unknown, name: string): string => {
  const text = memberOf(value, name);
  return typeof text === 'string' ? text : '';
};

/** Prompts of the store are for a kind of task: what is asked goes with them. */
function optimizedPrompt(optimized: unknown, asked: string): string {
  const content = textIn(optimized, 'content').trim();
  if (content === '') return asked;
  return content.includes(asked) ? content : `${content}\n\n${asked}`;
}

export function composedQueries({
  queries,
  integrations,
  optionalMs,
  limits,
  screen,
  onOver,
}: ComposedOptions): ComposedQueries {
  /** Asks for help, then the model, then has the answer kept; all within the call's time. */
  async function withHelp(
    given: Prompt,
    context: QueryContext,
    make: (helpers: Helpers, user: string, own: Json) => Promise<{ prompt: Prompt; sensitive: boolean }>,
    keeps: boolean,
  ): Promise<Answer> {
    const own = checkPrompt(given, context.fieldsAt ?? '');
    // Where such texts are refused, no service gets one either.
    screen(() => textsOf(given), context.principal);
    const began = performance.now();
    const user = userOf(given, context.principal);
    const report = context.report ?? build.callReport('', '');
    const { signal, deadline, release } = beginCall(context, limits);
    try {
      const asker = askerOf(context, signal);
      const ask = (service: string, operation: string, args: Json): Promise<string> =>
        integrations().call(service, operation, args, asker, optionalMs());
      const helpers = new Helpers(ask, signal);
      const { prompt, sensitive } = await make(helpers, user, own);
      const rest: QueryContext = {
        ...context,
        report,
        timeoutMs: Math.max(1, deadline - performance.now()),
      };
      const answer = await queries.ask(prompt, rest, { sensitive, quiet: keeps, given });
      if (keeps && !wasSensitive(report)) {
        const told = interactionOf(given, answer, context.principal, own);
        const kept = Promise.all([
          helpers.ask('memory_agent', 'store_interaction', told),
          helpers.ask('doc_store', 'store', documentOf(given, answer)),
        ]);
        // The answer is there: it is given even when the time is up.
        await kept.catch(() => {});
      }
      answer.services = helpers.report();
      answer.processingTime = Math.round(performance.now() - began) / 1_000;
      return answer;
    } finally {
      release();
    }
  }

  return {
    enhanced: (given, context) =>
      withHelp(
        given,
        context,
        async (helpers, user, own) => {
          const all = `${given.prompt}\n${given.contextJson || given.context}`;
          const [interpretation, history, security] = await Promise.all([
            helpers.ask('interpreter', 'interpret_query', {
              query: given.prompt,
              context: own,
              user_id: user,
            }),
            helpers.ask('memory_agent', 'retrieve_context', { user_id: user }),
            helpers.ask('secure_analyzer', 'analyze_security', { content: all }),
          ]);
          const [optimized, documents] = await Promise.all([
            helpers.ask('prompt_store', 'get_optimized', {
              task_type: textIn(interpretation, 'intent') || 'general',
              context: own,
            }),
            helpers.ask('doc_store', 'search', { query: given.prompt }),
          ]);
          const found: [string, unknown][] = [
            ['conversation_history', bounded(history)],
            ['security_analysis', bounded(security)],
            ['interpretation', bounded(interpretation)],
            ['documents', boundedDocuments(documents)],
          ];
          const more = Object.fromEntries(found.filter(([, value]) => value !== null));
          const prompt = create(PromptSchema, {
            ...given,
            prompt: optimizedPrompt(optimized, given.prompt),
            ...(Object.keys(more).length === 0
              ? {}
              : { context: '', contextJson: JSON.stringify({ ...own, ...more }) }),
          });
          return { prompt, sensitive: saysYes(memberOf(security, 'sensitive')) };
        },
        true,
      ),
    contextual: (given, context) =>
      withHelp(
        given,
        context,
        async (helpers, user, own) => {
          const terms = own['search_terms'];
          if (terms !== undefined && terms !== null && typeof terms !== 'string')
            throw invalidRequest(
              `${context.fieldsAt ?? ''}context.search_terms`,
              'search_terms has to be text',
            );
          const [history, documents, optimized] = await Promise.all([
            helpers.ask('memory_agent', 'retrieve_context', { user_id: user }),
            terms ? helpers.ask('doc_store', 'search', { query: terms }) : null,
            helpers.ask('prompt_store', 'get_optimized', {
              task_type: textIn(own, 'task_type') || 'general',
              context: own,
            }),
          ]);
          const block = contextBlock({
            history,
            documents,
            searched: Boolean(terms),
            own: given.contextJson || given.context,
          });
          const lead = textIn(optimized, 'content').trim();
          // Nothing is said twice.
          const texts = lead.includes(given.prompt) ? [block, lead] : [lead, block, given.prompt];
          const prompt = create(PromptSchema, {
            ...given,
            prompt: texts.filter((text) => text !== '').join('\n\n'),
            context: '',
            contextJson: '',
          });
          return { prompt, sensitive: false };
        },
        false,
      ),
    async workflow(given, workflowType, context) {
      const user = userOf(given, context.principal);
      const [service, operation] = ['orchestrator', 'execute_workflow'] as const;
      const call = {
        kind: 'workflow',
        context,
        service,
        operation,
        user: given.userId,
      } as const;
      const report = build.callReport('', '');
      const resultJson = await asServiceCall(call, onOver, async (found) => {
        const own = checkPrompt(given, context.fieldsAt ?? '');
        const sensitivity = screen(() => textsOf(given), context.principal);
        found(sensitivity);
        if (sensitivity !== null) report.sensitivity = sensitivity;
        const { signal, release } = beginCall(context, limits);
        try {
          const args = {
            workflow_type: workflowType === '' ? 'llm_processing' : workflowType,
            parameters: {
              llm_query: queryJson(given, own),
              user_id: user,
              correlation_id: context.correlationId,
            },
          };
          return await integrations().call(service, operation, args, askerOf(context, signal));
        } catch (error) {
          throw failureOf(error, service);
        } finally {
          release();
        }
      });
      return { resultJson, report };
    },
  };
}

const textsOf = ({ prompt, context, contextJson }: Prompt): string[] => [prompt, context, contextJson];
