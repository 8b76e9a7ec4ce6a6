import { readFields } from '../config/fields.ts';
import { isMap } from '../config/file.ts';
import { Problems } from '../config/problems.ts';
import { secretHeaders } from '../config/secret.ts';
import { duration, oneOf, type ValueReader, Wrong } from '../config/values.ts';
import { handlerBounds, headerMistake, openPlaceholder, urlMistake } from './http-handler.ts';
import { type HttpToolOptions, httpTool } from './http-tool.ts';
import { maxDescriptionChars, toolNamePattern } from './new-tool.ts';
import { compileSchema, SchemaError } from './schema.ts';
import { httpMethods } from './store.ts';
import type { Tool } from './tool.ts';

const maxTools = 1_000;

const name: ValueReader<string> = (raw) =>
  typeof raw === 'string' && toolNamePattern.test(raw)
    ? raw
    : new Wrong('1 to 64 letters, digits, "_" and "-"');

const description: ValueReader<string> = (raw) =>
  typeof raw === 'string' && raw.trim() !== '' && raw.length <= maxDescriptionChars
    ? raw
    : new Wrong(`a text of 1 to ${maxDescriptionChars} characters`);

const parameters: ValueReader<string> = (raw) => {
  if (!isMap(raw)) return new Wrong('a JSON Schema of type "object"');
  const text = JSON.stringify(raw);
  try {
    compileSchema(text);
    return text;
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    return new Wrong(`another JSON Schema: this one ${error.message}`);
  }
};

const url: ValueReader<string> = (raw) => {
  const mistake = typeof raw === 'string' ? urlMistake(raw) : 'has to be an http or https URL';
  return mistake === null ? (raw as string) : new Wrong(`an http or https URL; it ${mistake}`);
};

const headers: ValueReader<Readonly<Record<string, string>>> = (raw) => {
  if (!isMap(raw) || Object.keys(raw).length > handlerBounds.headers)
    return new Wrong(`a map of at most ${handlerBounds.headers} headers`);
  for (const [header, value] of Object.entries(raw)) {
    const mistake = headerMistake(header, value);
    if (mistake !== null) return new Wrong(`other headers: ${header} ${mistake}`);
  }
  const lower = Object.entries(raw as Record<string, string>).map(([key, value]) => [
    key.toLowerCase(),
    value,
  ]);
  return secretHeaders(Object.fromEntries(lower));
};

const toolFields = { name, description, parameters, handler: ((raw) => raw) as ValueReader<unknown> };
const handlerFields = {
  type: oneOf(['http']),
  url,
  method: oneOf(httpMethods),
  headers,
  timeout: duration(100, 3_600_000),
};

/**
 * The tools that the configuration file names under `tools`. They may be at any address: who writes the file decides.
 * @param given what is in the file @param builtIn names that are taken
 * @throws ConfigError with a line for each mistake
 */
export function configuredTools(
  given: unknown,
  builtIn: ReadonlySet<string>,
  options: Omit<HttpToolOptions, 'refusal'>,
): readonly Tool[] {
  if (given === undefined || given === null) return [];
  const problems = new Problems();
  const tools = new Map<string, Tool>();
  if (!Array.isArray(given) || given.length > maxTools) {
    problems.wrong(
      'tools',
      Array.isArray(given) ? `${given.length} items` : given,
      `a list of at most ${maxTools} tools`,
    );
    problems.throwIfAny();
    return [];
  }
  given.forEach((raw: unknown, i) => {
    const place = `tools[${i}]`;
    const tool = readTool(place, raw, problems, options);
    if (tool === null) return;
    if (builtIn.has(tool.name) || tools.has(tool.name))
      problems.wrong(`${place}.name`, tool.name, 'a name that no other tool has');
    tools.set(tool.name, tool);
  });
  problems.throwIfAny();
  return [...tools.values()];
}

function readTool(
  place: string,
  raw: unknown,
  problems: Problems,
  options: Omit<HttpToolOptions, 'refusal'>,
): Tool | null {
  hideHeaders(raw, problems);
  const tool = readFields(place, raw, toolFields, problems);
  if (tool === null) return null;
  for (const field of ['name', 'description', 'parameters', 'handler'] as const)
    missing(place, field, raw, problems);
  if (tool.handler === undefined) return null;
  const handler = readFields(`${place}.handler`, tool.handler, handlerFields, problems);
  if (handler === null) return null;
  for (const field of ['type', 'url'] as const) missing(`${place}.handler`, field, tool.handler, problems);
  const { name: own, description: text, parameters: schema } = tool;
  if (own === undefined || text === undefined || schema === undefined || handler.url === undefined)
    return null;
  const open = openPlaceholder(handler.url, schema);
  if (open !== null)
    problems.add(`${place}.handler.url: has {${open}} in its path, which has to be a required argument`);
  return httpTool(
    { name: own, description: text, parametersJson: schema },
    {
      url: handler.url,
      method: handler.method ?? 'POST',
      headers: handler.headers ?? {},
      timeoutMs: handler.timeout ?? null,
    },
    { ...options, refusal: () => null },
  );
}

function missing(place: string, field: string, raw: unknown, problems: Problems): void {
  const given = isMap(raw) ? raw[field] : undefined;
  if (given === undefined || given === null || given === '')
    problems.wrong(`${place}.${field}`, undefined, 'there');
}

function hideHeaders(raw: unknown, problems: Problems): void {
  const handler = isMap(raw) ? raw['handler'] : null;
  const given = isMap(handler) ? handler['headers'] : null;
  for (const value of isMap(given) ? Object.values(given) : []) problems.hide(String(value));
}
