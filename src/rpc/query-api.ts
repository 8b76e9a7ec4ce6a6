import { create } from '@bufbuild/protobuf';
import type { CallReport, SensitivityReport } from '../../gen/llmgateway/v1/completion_pb.js';
import type {
  Answer,
  EmbedTextRequest,
  EmbedTextResponse,
  Prompt,
} from '../../gen/llmgateway/v1/query_service_pb.js';
import { EmbedTextResponseSchema } from '../../gen/llmgateway/v1/query_service_pb.js';
import type { Principal } from '../auth/principal.ts';
import { invalidRequest } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import { embeddingsRequest, textInput } from '../model/build-embeddings.ts';
import type { CallNames } from '../pipeline/call.ts';
import { conversationId as sessionOf } from '../sessions/sessions.ts';
import type { CallContext } from './call-context.ts';
import type { ChatApi } from './chat-api.ts';
import type { EmbeddingsApi } from './embeddings-api.ts';
import { answerOf, type QueryStream, queryStream, textOf } from './query-answer.ts';
import {
  noSuchProvider,
  ownProvider,
  type QueryProviders,
  secureModelsOf,
  shownProvider,
  targetOf,
} from './query-providers.ts';
import { chatRequestOf, checkPrompt, noProvider, Users } from './query-request.ts';

/** Who asks, and how. */
export interface QueryContext extends CallContext {
  /** As the client gave it, or as it was made. */
  readonly correlationId: string;
  /** The answer is neither taken from the cache nor kept in it. */
  readonly noStore?: boolean;
  /** What comes before the names of fields in errors: "query." where they are those of a message within. */
  readonly fieldsAt?: string;
}

/** What is done about sensitive texts of queries where the configuration says nothing. */
export const querySecurity = 'route';

/**
 * Looks at texts that go to no model.
 * @param texts asked only where somebody looks
 * @returns null where nobody looks
 * @throws GatewayError where such texts are refused
 */
export type ScreenTexts = (texts: () => readonly string[], principal: Principal) => SensitivityReport | null;

/** Told of each answered prompt that is not sensitive. Must not throw, and nobody waits for it. */
export type Remember = (prompt: Prompt, answer: Answer, context: QueryContext) => void;

/** QueryService without the platform's services as an object: RPC and REST call the same one. Rejects with GatewayError. */
export interface QueryApi {
  ask(prompt: Prompt, context: QueryContext, how?: AskOptions): Promise<Answer>;
  /** Resolves at the first output. */
  stream(prompt: Prompt, context: QueryContext): Promise<QueryStream>;
  embed(request: EmbedTextRequest, context: QueryContext): Promise<EmbedTextResponse>;
}

export interface AskOptions {
  /** Only providers of security level high may see it, and it is neither cached nor remembered; the conversation that it names keeps it. */
  readonly sensitive?: boolean;
  /** Whoever asks remembers it by itself. */
  readonly quiet?: boolean;
  /** What is remembered in place of the prompt: as the client has it. Whoever says so has checked it. */
  readonly given?: Prompt;
}

/** Whether a call's text was found sensitive: then it is neither cached nor told to services that remember. */
export const wasSensitive = ({ sensitivity }: CallReport): boolean => sensitivity?.sensitive === true;

export interface QueryApiOptions {
  readonly chat: ChatApi;
  readonly vectors: EmbeddingsApi;
  readonly providers: QueryProviders;
  readonly remember: Remember;
  readonly screen: ScreenTexts;
  readonly terms: () => QueryTerms;
}

/** Read anew for each query. */
export interface QueryTerms {
  /** How long a conversation is remembered, in milliseconds. */
  readonly conversationTtlMs: number;
  /** Models of vectors where none is named, by provider. */
  readonly embeddingModels: Readonly<Record<string, string>>;
}

/** What the audit trail is told: what was asked for, not what that came to. */
function namesOfQuery(
  { named }: QueryContext,
  { userId, provider, model }: Pick<Prompt, 'userId' | 'provider' | 'model'>,
): CallNames {
  const asked = provider === '' && model === '' ? 'auto' : provider.toLowerCase();
  return {
    ...named,
    ...(userId === '' ? {} : { user: userId }),
    ...(asked === '' ? {} : { provider: asked }),
    model,
  };
}

export function queryApi({ chat, vectors, providers, remember, screen, terms }: QueryApiOptions): QueryApi {
  const users = new Users();

  /** What is asked of which model, and in which conversation. */
  function prepared(prompt: Prompt, context: QueryContext, sensitive: boolean, checked: boolean) {
    if (!checked) checkPrompt(prompt, context.fieldsAt ?? '');
    const principal = users.principalOf(context.principal, prompt.userId);
    const target = targetOf(prompt, providers, principal, context.fieldsAt);
    if (target === null) {
      const { prompt: text, context: more, contextJson } = prompt;
      throw noProvider(
        screen(() => [text, more, contextJson], principal),
        sensitive,
      );
    }
    const { conversationId, userId } = prompt;
    const names = [principal.owner, userId, conversationId];
    const sessionId = conversationId === '' ? '' : sessionOf(names);
    const request = chatRequestOf(prompt, target, {
      sessionId,
      noStore: context.noStore === true || sensitive,
      reasons: providers.reasons(target.model),
    });
    const report = context.report ?? build.callReport('', '');
    const secureModels = (): string[] => secureModelsOf(providers, principal);
    const call = {
      ...context,
      named: namesOfQuery(context, prompt),
      principal,
      report,
      faceSecurity: querySecurity,
      secureModels,
      chosen: target.chosen,
      sensitive,
      ...(sessionId === '' ? {} : { newSessionMs: terms().conversationTtlMs }),
    } as const;
    return { request, report, call };
  }

  return {
    async ask(prompt, context, { sensitive = false, quiet = false, given } = {}) {
      const began = performance.now();
      const { request, report, call } = prepared(prompt, context, sensitive, given !== undefined);
      const response = await chat.createChatCompletion(request, call);
      const { correlationId } = context;
      const answer = answerOf(textOf(response), {
        report: response.callReport ?? report,
        model: response.model,
        tokens: response.usage?.totalTokens ?? 0,
        correlationId,
        began,
      });
      if (!quiet && !wasSensitive(report)) remember(given ?? prompt, answer, context);
      return answer;
    },
    async stream(prompt, context) {
      const began = performance.now();
      const { request, report, call } = prepared(prompt, context, false, false);
      const events = await chat.streamChatCompletion(request, call);
      return queryStream(events, { report, correlationId: context.correlationId, began }, (answer) => {
        if (!wasSensitive(report)) remember(prompt, answer, context);
      });
    },
    async embed({ text, model, provider, userId }, context) {
      if (!userId.isWellFormed()) throw invalidRequest('user_id', 'user_id is not valid Unicode');
      const principal = users.principalOf(context.principal, userId);
      const named = ownProvider(provider.toLowerCase());
      const target = vectorTarget(named === 'auto' ? '' : named, model);
      const request = embeddingsRequest(target.asked, [textInput(text)]);
      if (context.noStore === true) {
        request.noStore = true;
        request.forceRefresh = true;
      }
      const report = context.report ?? build.callReport('', '');
      const response = await vectors.createEmbeddings(request, {
        ...context,
        named: namesOfQuery(context, { userId, provider, model }),
        principal,
        report,
        faceSecurity: querySecurity,
        chosen: target.chosen,
        // Vectors of two models cannot be compared: another one makes them only where none was named.
        ...(target.chosen ? { secureModels: () => vectorModels().map(({ asked }) => asked) } : {}),
      });
      const values = response.embeddings[0]?.values ?? [];
      const made = vectorModels().find(({ provider: own }) => own === report.provider);
      const answer = create(EmbedTextResponseSchema, {
        embeddings: values,
        model: target.chosen ? (made?.model ?? target.model) : target.model,
        provider: shownProvider(report.provider || target.provider),
        dimensions: values.length,
      });
      answer.callReport = response.callReport ?? report;
      return answer;
    },
  };

  function vectorTarget(provider: string, model: string) {
    if (provider === '' && model !== '') return { asked: model, model, provider: '', chosen: false };
    const { embeddingModels } = terms();
    if (provider === '') {
      // Where none can be asked, the error of the first says what is missing.
      const chosen = vectorModels()[0] ?? ofProvider(Object.keys(embeddingModels)[0] ?? '', '');
      return { ...chosen, chosen: true };
    }
    return { ...ofProvider(provider, model), chosen: false };
  }

  /** Of the providers that have a usual model of vectors those that can be asked. */
  function vectorModels() {
    const { embeddingModels } = terms();
    return Object.keys(embeddingModels)
      .filter((name) => providers.find(name)?.available === true)
      .map((name) => ofProvider(name, ''));
  }

  function ofProvider(provider: string, model: string) {
    const candidate = providers.find(provider);
    if (candidate === null) throw noSuchProvider(provider);
    const own = model === '' ? terms().embeddingModels[provider] : model;
    if (own === undefined)
      throw invalidRequest(
        'model',
        `provider ${shownProvider(provider)} has no model of vectors of its own here; name one`,
      );
    const asked = providers.belongs(own, provider) ? own : `${candidate.prefix}${own}`;
    return { asked, model: own, provider };
  }
}
