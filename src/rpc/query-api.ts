import { create } from '@bufbuild/protobuf';
import type {
  Answer,
  EmbedTextRequest,
  EmbedTextResponse,
  Prompt,
} from '../../gen/llmgateway/v1/query_service_pb.js';
import { EmbedTextResponseSchema } from '../../gen/llmgateway/v1/query_service_pb.js';
import { invalidRequest } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import { embeddingsRequest, textInput } from '../model/build-embeddings.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { CallContext } from './call-context.ts';
import type { ChatApi } from './chat-api.ts';
import type { EmbeddingsApi } from './embeddings-api.ts';
import { answerOf, type QueryStream, queryStream, textOf } from './query-answer.ts';
import { ownProvider, type QueryProviders, shownProvider, targetOf } from './query-providers.ts';
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
  /** Only providers of security level high may see it, and nothing of it is kept. */
  readonly sensitive?: boolean;
  /** Whoever asks remembers it by itself. */
  readonly quiet?: boolean;
  /** Told whether the text was found sensitive on its way. */
  readonly found?: { sensitive: boolean };
}

export interface QueryApiOptions {
  readonly chat: ChatApi;
  readonly vectors: EmbeddingsApi;
  readonly sessions: Sessions;
  readonly providers: QueryProviders;
  readonly remember: Remember;
  readonly terms: () => QueryTerms;
}

/** Read anew for each query. */
export interface QueryTerms {
  /** How long a conversation is remembered, in milliseconds. */
  readonly conversationTtlMs: number;
  /** Models of vectors where none is named, by provider. */
  readonly embeddingModels: Readonly<Record<string, string>>;
}

export function queryApi({ chat, vectors, sessions, providers, remember, terms }: QueryApiOptions): QueryApi {
  const users = new Users();

  /** What is asked of which model, and in which conversation. */
  async function prepared(prompt: Prompt, context: QueryContext, sensitive: boolean) {
    checkPrompt(prompt, context.fieldsAt ?? '');
    const principal = users.principalOf(context.principal, prompt.userId);
    const target = targetOf(prompt, providers, principal, sensitive);
    if (target === null) throw noProvider(sensitive);
    const { conversationId, userId } = prompt;
    const names = [principal.owner, userId, conversationId];
    const sessionId =
      conversationId === ''
        ? ''
        : await sessions.conversation(principal.tenant, names, terms().conversationTtlMs);
    const request = chatRequestOf(prompt, target, {
      sessionId,
      noStore: context.noStore === true || sensitive,
      reasons: providers.reasons(target.model),
    });
    const report = context.report ?? build.callReport('', '');
    return { request, report, call: { ...context, principal, report, sensitive } };
  }

  return {
    async ask(prompt, context, { sensitive = false, quiet = false, found = { sensitive: false } } = {}) {
      const began = performance.now();
      const { request, report, call } = await prepared(prompt, context, sensitive);
      const response = await chat.createChatCompletion(request, { ...call, found });
      const { correlationId } = context;
      const answer = answerOf(textOf(response), {
        report: response.callReport ?? report,
        model: response.model,
        tokens: response.usage?.totalTokens ?? 0,
        correlationId,
        began,
      });
      if (!quiet && !found.sensitive && !sensitive) remember(prompt, answer, context);
      return answer;
    },
    async stream(prompt, context) {
      const began = performance.now();
      const { request, report, call } = await prepared(prompt, context, false);
      const found = { sensitive: false };
      const events = await chat.streamChatCompletion(request, { ...call, found });
      return queryStream(events, { report, correlationId: context.correlationId, began }, (answer) => {
        if (!found.sensitive) remember(prompt, answer, context);
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
      const response = await vectors.createEmbeddings(request, { ...context, principal });
      const values = response.embeddings[0]?.values ?? [];
      const answer = create(EmbedTextResponseSchema, {
        embeddings: values,
        model: target.model,
        provider: shownProvider(response.callReport?.provider || target.provider),
        dimensions: values.length,
      });
      if (response.callReport !== undefined) answer.callReport = response.callReport;
      return answer;
    },
  };

  function vectorTarget(provider: string, model: string) {
    if (provider === '' && model !== '') return { asked: model, model, provider: '' };
    const { embeddingModels } = terms();
    const isThere = (name: string): boolean => providers.find(name)?.available === true;
    // Of those that have a usual model the first that can be asked, and the first where none can: its error says what is missing.
    const chosen =
      provider === ''
        ? (Object.keys(embeddingModels).find(isThere) ?? Object.keys(embeddingModels)[0] ?? '')
        : provider;
    const candidate = providers.find(chosen);
    if (candidate === null) throw invalidRequest('provider', `there is no provider ${chosen}`);
    const own = model === '' ? embeddingModels[chosen] : model;
    if (own === undefined)
      throw invalidRequest(
        'model',
        `provider ${shownProvider(chosen)} has no model of vectors of its own here; name one`,
      );
    const asked = providers.belongs(own, chosen) ? own : `${candidate.prefix}${own}`;
    return { asked, model: own, provider: chosen };
  }
}
