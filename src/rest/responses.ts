import type { CallReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import {
  type Item,
  type ResponseEvent,
  ResponseStatus,
} from '../../gen/llmgateway/v1/responses_service_pb.js';
import { readInteger } from '../codec/fields.ts';
import { decodeResponseRequest } from '../codec/openai-responses/decode-request.ts';
import { encodeCompacted } from '../codec/openai-responses/encode-compacted.ts';
import { encodeStreamFailure } from '../codec/openai-responses/encode-error.ts';
import { encodeEvent } from '../codec/openai-responses/encode-event.ts';
import { encodeItems, encodeResponse } from '../codec/openai-responses/encode-response.ts';
import { GatewayError, invalidRequest } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import type { ResponseEventStream } from '../responses/event-stream.ts';
import { type Page, type PageQuery, pageOf } from '../responses/page.ts';
import type { ResponseCallContext, ResponsesApi } from '../rpc/responses-api.ts';
import { clientOf, type Exchange, type RestHandler, readJson, sendJson, unescaped } from './exchange.ts';
import { applyHeaders, headerOptions } from './gateway-headers.ts';
import { reportHeaders, sensitivityHeaders } from './report.ts';
import { type StreamForm, sendStream } from './stream.ts';

/** What the routes of responses are made of. */
export interface ResponseRoutes {
  readonly api: ResponsesApi;
  readonly options: () => { readonly maxBodyBytes: number; readonly sseKeepAliveMs: number };
}

const fields = {
  previous: 'previous_response_id',
  conversation: 'conversation',
  input: 'input',
  store: 'store',
  stream: 'stream',
  after: 'starting_after',
} as const;

const face = 'openai.responses';

function contextOf(exchange: Exchange, report?: CallReport): ResponseCallContext {
  return {
    requestId: exchange.requestId,
    face,
    tenant: exchange.principal.tenant,
    fields,
    ...clientOf(exchange),
    ...(report === undefined ? {} : { report }),
  };
}

/** POST /v1/responses. */
export const createResponse =
  (routes: ResponseRoutes): RestHandler =>
  async (exchange) => {
    const { api, options } = routes;
    const { maxBodyBytes } = options();
    const { parameters, stream } = decodeResponseRequest(await readJson(exchange, maxBodyBytes));
    const asked = { ...parameters };
    applyHeaders(exchange, asked, headerOptions(exchange));
    const report = build.callReport('', '');
    const context = contextOf(exchange, report);
    if (stream)
      return sendEvents(exchange, api.streamResponse(asked, context), asked.include, report, options());
    const response = await api.createResponse(asked, context);
    sendJson(exchange, 200, encodeResponse(response), reportHeaders(response.callReport));
  };

/** POST /v1/responses/input_tokens. */
export const countInputTokens =
  (routes: ResponseRoutes): RestHandler =>
  async (exchange) => {
    const { maxBodyBytes } = routes.options();
    const { parameters } = decodeResponseRequest(await readJson(exchange, maxBodyBytes));
    const report = build.callReport('', '');
    const { tokens } = await routes.api.countInputTokens(parameters, contextOf(exchange, report));
    const body = `{"object":"response.input_tokens","input_tokens":${tokens}}`;
    sendJson(exchange, 200, body, sensitivityHeaders(report));
  };

/** POST /v1/responses/compact. */
export const compactResponse =
  (routes: ResponseRoutes): RestHandler =>
  async (exchange) => {
    const { maxBodyBytes } = routes.options();
    const { parameters } = decodeResponseRequest(await readJson(exchange, maxBodyBytes));
    const asked = { ...parameters };
    applyHeaders(exchange, asked, headerOptions(exchange));
    const compacted = await routes.api.compactResponse(asked, contextOf(exchange));
    sendJson(exchange, 200, encodeCompacted(compacted), reportHeaders(compacted.callReport));
  };

/** GET, POST and DELETE below /v1/responses/. */
export const oneResponse = (
  routes: ResponseRoutes,
): Readonly<Record<'GET' | 'POST' | 'DELETE', RestHandler>> => {
  const { api } = routes;
  return {
    async GET(exchange) {
      const { id, verb } = placeOf(exchange);
      const query = new URLSearchParams(exchange.query);
      if (verb === 'input_items') return listInputItems(exchange, id, query);
      if (verb !== '') throw noRoute(exchange);
      const include = [...query.getAll('include'), ...query.getAll('include[]')];
      if (query.get('stream') === 'true') return resume(exchange, id, query, include);
      const response = await api.getResponse(exchange.principal.tenant, id);
      const asked = response.parameters;
      if (asked !== undefined && include.length > 0) asked.include = [...asked.include, ...include];
      // The limits stood like that when it was asked for.
      if (response.callReport !== undefined) delete response.callReport.rateLimits;
      sendJson(exchange, 200, encodeResponse(response), reportHeaders(response.callReport));
    },
    async POST(exchange) {
      const { id, verb } = placeOf(exchange);
      if (verb !== 'cancel') throw noRoute(exchange);
      const response = await api.cancelResponse(id, contextOf(exchange));
      sendJson(exchange, 200, encodeResponse(response));
    },
    async DELETE(exchange) {
      const { id, verb } = placeOf(exchange);
      if (verb !== '') throw noRoute(exchange);
      await api.deleteResponse(exchange.principal.tenant, id);
      sendJson(exchange, 200, `{"id":${JSON.stringify(id)},"object":"response","deleted":true}`);
    },
  };

  async function resume(
    exchange: Exchange,
    id: string,
    query: URLSearchParams,
    include: readonly string[],
  ): Promise<void> {
    const after = query.get('starting_after');
    const from = after === null ? 0 : readInteger(numberOf(after), 'starting_after', 0, 0xffff_fffe) + 1;
    const report = build.callReport('', '');
    const opening = api.resumeResponse(id, from, contextOf(exchange));
    return sendEvents(exchange, opening, include, report, routes.options(), from);
  }

  async function listInputItems(exchange: Exchange, id: string, query: URLSearchParams): Promise<void> {
    const items = await api.listInputItems(exchange.principal.tenant, id);
    sendJson(exchange, 200, encodePage(pageOf(items, pageQuery(query), 'after')));
  }
};

/** A number that a query has; what is none stays the text. */
export const numberOf = (text: string): unknown => (/^\d{1,10}$/.test(text) ? Number(text) : text);

/** Which page a query wants. */
export function pageQuery(query: URLSearchParams): PageQuery {
  const given = query.get('limit');
  const order = query.get('order') ?? 'desc';
  if (order !== 'asc' && order !== 'desc') {
    throw invalidRequest('order', `Invalid 'order': expected 'asc' or 'desc', but got another string.`);
  }
  return {
    limit: given === null ? 20 : readInteger(numberOf(given), 'limit', 1, 100),
    after: query.get('after') ?? '',
    ascending: order === 'asc',
  };
}

/** A page as the API's list. */
export function encodePage({ items, hasMore }: Page): string {
  const id = (item: Item | undefined): string => (item === undefined ? 'null' : JSON.stringify(item.id));
  return (
    `{"object":"list","data":${encodeItems(items, true)},"first_id":${id(items[0])},` +
    `"last_id":${id(items.at(-1))},"has_more":${hasMore}}`
  );
}

function sendEvents(
  exchange: Exchange,
  opening: Promise<ResponseEventStream>,
  include: readonly string[],
  report: CallReport,
  { sseKeepAliveMs }: { readonly sseKeepAliveMs: number },
  from = 0,
): Promise<void> {
  let last = from - 1;
  const form: StreamForm<ResponseEvent> = {
    encode(batch) {
      let frames = '';
      for (const event of batch) {
        const { type, data } = encodeEvent(event, include);
        frames += `event: ${type}\ndata: ${data}\n\n`;
        last = event.sequenceNumber;
      }
      return frames;
    },
    isLast: ({ event }) => event.case === 'status' && event.value.status > ResponseStatus.IN_PROGRESS,
    reportOf: ([first]) =>
      (first?.event.case === 'status' ? first.event.value.callReport : undefined) ?? report,
    // No number of its own: one that the log uses would be passed over by who goes on after it.
    encodeError: (error) => encodeStreamFailure(error, Math.max(last, 0)),
    keepAliveFrame: ': keep-alive\n\n',
    headers: {},
    report,
  };
  return sendStream(exchange, opening, form, sseKeepAliveMs);
}

/** `/responses/{id}` or `/responses/{id}/{verb}`. */
function placeOf({ path }: Exchange): { readonly id: string; readonly verb: string } {
  const [id = '', verb = ''] = path
    .replace(/^(\/v1)?\/responses\//, '')
    .split('/')
    .map(unescaped);
  return { id, verb };
}

const noRoute = ({ path }: Exchange): GatewayError =>
  new GatewayError(ErrorReason.NOT_FOUND, `there is no route ${path.slice(0, 200)}`);
