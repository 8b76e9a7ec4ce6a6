import { create } from '@bufbuild/protobuf';
import {
  type Answer,
  type Prompt,
  PromptSchema,
  type StreamQueryResponse,
} from '../../gen/llmgateway/v1/query_service_pb.js';
import {
  invalid,
  readBoolean,
  readInteger,
  readName,
  readNumber,
  readObject,
  readOptionalString,
  writeJson,
} from '../codec/fields.ts';
import { isObject, type Json } from '../codec/json.ts';
import { shortFloat } from '../codec/openai-embeddings/short-float.ts';
import type { GatewayError } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import { cacheControl } from '../rpc/cache-control.ts';
import type { ComposedQueries } from '../rpc/composed-queries.ts';
import { correlationHeader } from '../rpc/correlation.ts';
import type { QueryApi, QueryContext } from '../rpc/query-api.ts';
import type { BodyHandler } from './embeddings.ts';
import {
  booleanHeader,
  clientOf,
  type Exchange,
  header,
  type RestHandler,
  readMembers,
  refuseOthers,
} from './exchange.ts';
import { platformCode } from './platform-error.ts';
import { correlationOf, platformRoute, routeOf, sendEnvelope, sendFlat } from './platform-reply.ts';
import { reportHeaders } from './report.ts';
import { type StreamForm, sendStream } from './stream.ts';

/** What the routes of queries are made of. */
export interface QueryRoutes {
  readonly queries: QueryApi;
  readonly composed: ComposedQueries;
  readonly options: () => {
    /** Largest request body in bytes. */
    readonly maxBodyBytes: number;
    /** After how much silence a stream's client gets a sign of life, in milliseconds. */
    readonly sseKeepAliveMs: number;
  };
}

/** Name of this face in logs and metrics. */
const face = 'query';
/** As in the contract, in bytes of UTF-8. */
const maxText = 4 * 2 ** 20;

function long(text: string, field: string): string {
  if (Buffer.byteLength(text) <= maxText) return text;
  throw invalid(field, `a text of at most ${maxText} bytes`, text, 'a longer one');
}

const known = [
  'prompt',
  'context',
  'provider',
  'model',
  'user_id',
  'temperature',
  'max_tokens',
  'force_refresh',
  'conversation_id',
];

/** POST /query and /chat. */
export const answerQuery =
  (routes: QueryRoutes): RestHandler =>
  async (exchange) => {
    const isEnhanced = booleanHeader(exchange, 'X-Use-Enhanced-Processing') === true;
    const { prompt, context } = await asked(exchange, routes, isEnhanced ? 'enhanced' : 'gw');
    const { queries, composed } = routes;
    sendAnswer(
      exchange,
      await (isEnhanced ? composed.enhanced(prompt, context) : queries.ask(prompt, context)),
    );
  };

/** POST /enhanced-query. */
export const enhancedQuery =
  (routes: QueryRoutes): RestHandler =>
  async (exchange) => {
    const { prompt, context } = await asked(exchange, routes, 'enhanced');
    sendAnswer(exchange, await routes.composed.enhanced(prompt, context));
  };

/** POST /contextual-query. */
export const contextualQuery =
  (routes: QueryRoutes): RestHandler =>
  async (exchange) => {
    const { prompt, context } = await asked(exchange, routes, 'gw');
    sendAnswer(exchange, await routes.composed.contextual(prompt, context));
  };

/** POST /workflow-query. */
export const workflowQuery =
  (routes: QueryRoutes): RestHandler =>
  async (exchange) => {
    const { prompt, context } = await asked(exchange, routes, 'gw');
    const type = header(exchange, 'x-workflow-type') ?? '';
    const kind = readOptionalString(type, 'X-Workflow-Type', 256);
    const { resultJson, report } = await routes.composed.workflow(prompt, kind, context);
    sendEnvelope(exchange, 'Workflow executed', resultJson, reportHeaders(report));
  };

/** POST /stream. */
export const streamQuery =
  (routes: QueryRoutes): RestHandler =>
  async (exchange) => {
    const { prompt, context } = await asked(exchange, routes, 'gw');
    const report = build.callReport('', '');
    const form: StreamForm<StreamQueryResponse> = {
      encode: (batch) => batch.map(frame).join(''),
      isLast: ({ finished }) => finished,
      reportOf: () => report,
      encodeError: (error) => `data: ${errorJson(error, context.correlationId)}\n\n${end}`,
      keepAliveFrame: ': keep-alive\n\n',
      headers: { [correlationHeader]: context.correlationId },
      report,
    };
    const opening = routes.queries.stream(prompt, { ...context, report });
    return sendStream(exchange, opening, form, routes.options().sseKeepAliveMs);
  };

const end = 'data: [DONE]\n\n';
const frame = ({ chunk, finished }: StreamQueryResponse): string =>
  `data: ${JSON.stringify({ chunk, finished })}\n\n${finished ? end : ''}`;
const errorJson = (error: GatewayError, correlation: string): string =>
  JSON.stringify({
    error: error.rawMessage,
    error_code: platformCode(error),
    correlation_id: correlation,
  });

/** POST /embeddings with `text`. */
export const embedText = ({ queries }: Pick<QueryRoutes, 'queries'>): BodyHandler => {
  return (exchange, body) => {
    const handler = platformRoute(async () => {
      const json = readObject(body, 'body');
      refuseOthers(Object.keys(json), ['text', 'model', 'provider', 'user_id']);
      const answer = await queries.embed(
        {
          $typeName: 'llmgateway.v1.EmbedTextRequest',
          text: long(readName(json['text'], 'text', maxText), 'text'),
          model: readOptionalString(json['model'] ?? null, 'model', 512),
          provider: readOptionalString(json['provider'] ?? null, 'provider', 64),
          userId: readOptionalString(json['user_id'] ?? null, 'user_id', 256),
        },
        contextOf(exchange, 'gw'),
      );
      const { model, provider, dimensions } = answer;
      const numbers = JSON.stringify(answer.embeddings.map(shortFloat));
      const rest = JSON.stringify({ model, provider, dimensions }).slice(1);
      sendFlat(exchange, `{"embeddings":${numbers},${rest}`, reportHeaders(answer.callReport));
    });
    return Promise.resolve(handler(exchange));
  };
};

async function asked(
  exchange: Exchange,
  { options }: QueryRoutes,
  kind: string,
): Promise<{ prompt: Prompt; context: QueryContext }> {
  const client = contextOf(exchange, kind);
  const prompt = promptOf(await readMembers(exchange, options().maxBodyBytes, known));
  const { forceRefresh } = cacheControl(header(exchange, 'cache-control'));
  if (forceRefresh) prompt.forceRefresh = true;
  if (booleanHeader(exchange, 'X-Store-Interaction') === true) prompt.storeInteraction = true;
  return { prompt, context: client };
}

function contextOf(exchange: Exchange, kind: string): QueryContext {
  const { noStore } = cacheControl(header(exchange, 'cache-control'));
  // First of all: errors have it, too.
  const correlationId = correlationOf(exchange, kind);
  return {
    correlationId,
    requestId: exchange.requestId,
    face,
    ...clientOf(exchange),
    named: { route: routeOf(exchange), correlationId },
    ...(noStore ? { noStore } : {}),
  };
}

function promptOf(body: Json): Prompt {
  const given = (name: string): unknown => body[name] ?? null;
  const text = (name: string, most: number): string => readOptionalString(given(name), name, most);
  const context = given('context');
  const prompt = create(PromptSchema, {
    prompt: long(readName(body['prompt'], 'prompt', maxText), 'prompt'),
    provider: text('provider', 64),
    model: text('model', 512),
    userId: text('user_id', 256),
    conversationId: text('conversation_id', 256),
    forceRefresh:
      given('force_refresh') === null ? false : readBoolean(body['force_refresh'], 'force_refresh'),
  });
  if (isObject(context)) prompt.contextJson = long(writeJson(context, 'context'), 'context');
  else if (context !== null) {
    if (typeof context !== 'string') throw invalid('context', 'a string or an object', context);
    prompt.context = long(context, 'context');
  }
  if (given('temperature') !== null)
    prompt.temperature = readNumber(body['temperature'], 'temperature', 0, 2);
  if (given('max_tokens') !== null)
    prompt.maxTokens = readInteger(body['max_tokens'], 'max_tokens', 1, 2 ** 32 - 1);
  return prompt;
}

function sendAnswer(exchange: Exchange, answer: Answer): void {
  const { services } = answer;
  const body = {
    response: answer.response,
    provider: answer.provider,
    tokens_used: answer.tokensUsed,
    processing_time: answer.processingTime,
    cost: answer.cost ?? null,
    cached: answer.cached,
    correlation_id: answer.correlationId,
    ...(services === undefined
      ? {}
      : {
          details: {
            services_used: services.used,
            services_skipped: services.skipped.map(({ service }) => service),
            skipped_reasons: Object.fromEntries(
              services.skipped.map(({ service, reason }) => [service, reason]),
            ),
          },
        }),
  };
  sendFlat(exchange, JSON.stringify(body), reportHeaders(answer.callReport));
}
