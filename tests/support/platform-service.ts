import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

// What the stand-ins of the platform's services are made of: a server, and the validation of requests.

/** A request that a service got. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** As it came. */
  readonly text: string;
  /** Parsed; undefined when there was none. */
  readonly body: Json | undefined;
}

export type Json = Record<string, unknown>;
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}
/** Answers a request; null: it never does. */
export type Handler = (asked: Asked) => Answer;

export interface PlatformService {
  readonly origin: string;
  /** Everything that was asked so far. */
  readonly asked: Asked[];
  /** Answers instead of the service as long as it is set; it may also leave the request open. */
  instead: ((asked: Asked, response: ServerResponse) => void) | null;
  /** Resolves with the next request. */
  next(): Promise<Asked>;
  close(): void;
}

export async function start(handle: Handler): Promise<PlatformService> {
  const asked: Asked[] = [];
  const waiting: ((one: Asked) => void)[] = [];
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += chunk;
    const { method = '', url: path = '', headers } = request;
    const one: Asked = {
      method,
      path,
      headers,
      text,
      body: text === '' ? undefined : (JSON.parse(text) as Json),
    };
    asked.push(one);
    for (const tell of waiting.splice(0)) tell(one);
    if (service.instead !== null) return service.instead(one, response);
    const { status, body } = handle(one);
    answer(response, status, body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const service: PlatformService = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    instead: null,
    next: () => new Promise((resolve) => waiting.push(resolve)),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return service;
}

/** Sends JSON, or text as it is. */
export function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

export const ok = (body: unknown): Answer => ({ status: 200, body });
const notFound: Answer = { status: 404, body: { detail: 'Not Found' } };

/** What a member of a request has to be. */
export type Check = (value: unknown) => boolean;
export interface Model {
  readonly required: Readonly<Record<string, Check>>;
  readonly optional?: Readonly<Record<string, Check>>;
  /** Takes members that it does not know. */
  readonly open?: boolean;
}

export const isText: Check = (value) => typeof value === 'string';
export const isFilled: Check = (value) => typeof value === 'string' && value !== '';
export const isFlag: Check = (value) => typeof value === 'boolean';
export const isList =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
export const isNumber =
  (least: number, most: number): Check =>
  (value) =>
    typeof value === 'number' && value >= least && value <= most;
export const isInteger =
  (least: number, most: number): Check =>
  (value) =>
    Number.isInteger(value) && isNumber(least, most)(value);
export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
export const isOrNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
export const isModel =
  (model: Model): Check =>
  (value) =>
    mistakes(value, model).length === 0;

export interface Mistake {
  readonly type: string;
  readonly loc: readonly string[];
  readonly msg: string;
}

function mistakes(body: unknown, { required, optional = {}, open = false }: Model): Mistake[] {
  if (!isObject(body)) return [{ type: 'missing', loc: ['body'], msg: 'Field required' }];
  const known = { ...required, ...optional };
  const found: Mistake[] = Object.keys(required)
    .filter((name) => !(name in body))
    .map((name) => ({ type: 'missing', loc: ['body', name], msg: 'Field required' }));
  for (const [name, value] of Object.entries(body)) {
    const check = known[name];
    if (check === undefined && !open) {
      found.push({ type: 'extra_forbidden', loc: ['body', name], msg: 'Extra inputs are not permitted' });
    } else if (check !== undefined && !check(value)) {
      found.push({ type: 'value_error', loc: ['body', name], msg: 'Input is not valid' });
    }
  }
  return found;
}

export type Routes = Readonly<
  Record<string, readonly [model: Model | null, handle: (body: Json) => unknown]>
>;

/** Routes by "METHOD /path". @param wrong what a service answers to a request that is not valid */
export const routed =
  (routes: Routes, wrong: (found: readonly Mistake[], path: string) => unknown): Handler =>
  ({ method, path, body }) => {
    const route = routes[`${method} ${path}`];
    if (route === undefined) return notFound;
    const [model, handle] = route;
    const found = model === null ? [] : mistakes(body, model);
    return found.length > 0 ? { status: 422, body: wrong(found, path) } : ok(handle(body ?? {}));
  };

export const list = (found: readonly Mistake[]): unknown => ({ detail: found });
