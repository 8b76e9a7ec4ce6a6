import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError, invalidRequest } from '../errors/gateway-error.ts';
import { handlerBounds, headerMistake, openPlaceholder, urlMistake } from './http-handler.ts';
import { compileSchema, SchemaError } from './schema.ts';
import { type HttpHandler, type HttpMethod, httpMethods } from './store.ts';

/** A tool that somebody wants to register, unchecked. */
export interface NewTool {
  readonly name: string;
  readonly description: string;
  readonly parametersJson: string;
  /** Where the client wrote the parameters. */
  readonly parametersField: string;
  readonly handler: {
    readonly url: string;
    /** '' for the default. */
    readonly method: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly timeoutMs: number | null;
  };
}

export const toolNamePattern = /^[a-zA-Z0-9_-]{1,64}$/;
export const maxDescriptionChars = 4_096;
/** Of a handler's `timeout_ms`. */
export const timeoutRangeMs = { least: 100, most: 300_000 } as const;

const wrong = (field: string, expected: string): GatewayError =>
  invalidRequest(field, `Invalid '${field}': it ${expected}.`);

/**
 * Checks all of a new tool but where it is and whether its name is free.
 * @returns its handler @throws GatewayError that names the first wrong field
 */
export function checkNewTool({
  name,
  description,
  parametersJson,
  parametersField,
  handler,
}: NewTool): HttpHandler {
  if (!toolNamePattern.test(name)) throw wrong('name', 'has to be 1 to 64 letters, digits, "_" and "-"');
  if (description.trim() === '' || description.length > maxDescriptionChars)
    throw wrong('description', `has to be a text of 1 to ${maxDescriptionChars} characters`);
  try {
    compileSchema(parametersJson);
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    throw invalidRequest(parametersField, `Invalid '${parametersField}': the schema ${error.message}.`);
  }
  const { url, method, headers, timeoutMs } = handler;
  const mistake = urlMistake(url);
  if (mistake !== null) throw wrong('handler.url', mistake);
  const open = openPlaceholder(url, parametersJson);
  if (open !== null)
    throw wrong('handler.url', `has {${open}} in its path, which has to be a required argument`);
  if (timeoutMs !== null && !(timeoutMs >= timeoutRangeMs.least && timeoutMs <= timeoutRangeMs.most))
    throw wrong('handler.timeout_ms', `has to be ${timeoutRangeMs.least} to ${timeoutRangeMs.most}`);
  return { url, method: checkMethod(method), headers: checkHeaders(headers), timeoutMs };
}

function checkMethod(given: string): HttpMethod {
  const method = given === '' ? 'POST' : given.toUpperCase();
  if (!(httpMethods as readonly string[]).includes(method))
    throw wrong('handler.method', `has to be one of ${httpMethods.join(', ')}`);
  return method as HttpMethod;
}

function checkHeaders(given: Readonly<Record<string, string>>): Record<string, string> {
  const headers: Record<string, string> = {};
  const entries = Object.entries(given);
  if (entries.length > handlerBounds.headers)
    throw wrong('handler.headers', `has to have at most ${handlerBounds.headers} entries`);
  for (const [name, value] of entries) {
    const field = `handler.headers.${name.slice(0, 128)}`;
    const mistake = headerMistake(name, value);
    if (mistake !== null) throw wrong(field, mistake);
    if (Object.hasOwn(headers, name.toLowerCase())) throw wrong(field, 'is there more than once');
    headers[name.toLowerCase()] = value;
  }
  return headers;
}

/** A tool may not be where it wants to be. */
export const refused = (why: string): GatewayError =>
  new GatewayError(ErrorReason.PERMISSION_DENIED, `The tool is refused for 'handler.url': ${why}.`, {
    field: 'handler.url',
  });
