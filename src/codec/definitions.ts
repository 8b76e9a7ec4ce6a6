import type { CustomTool, FunctionTool, JsonSchemaFormat } from '../../gen/llmgateway/v1/generation_pb.js';
import { keepMember, readBoolean, readObjectText, readOptionalString } from './fields.ts';
import type { Json } from './json.ts';

// What several APIs write alike: something with a name, a description and a schema. Each function reads the members of one that `target` does not have yet, and
// returns those that the model has no place for, as members of a JSON object. What `skip` names is the caller's. All throw GatewayError INVALID_REQUEST.

type Reader = (member: unknown, field: string) => void;

/** @param schema the member that has the parameters */
export const readFunction = (
  target: FunctionTool,
  json: Json,
  at: string,
  schema: string,
  skip: readonly string[],
): string =>
  readDefinition(json, at, skip, target, {
    [schema]: (member, field) => {
      target.parametersJson = readObjectText(member, field);
    },
    strict: (member, field) => {
      target.strict = readBoolean(member, field);
    },
  });

export const readCustom = (target: CustomTool, json: Json, at: string, skip: readonly string[]): string =>
  readDefinition(json, at, skip, target, {
    format: (member, field) => {
      target.formatJson = readObjectText(member, field);
    },
  });

export const readSchema = (
  target: JsonSchemaFormat,
  json: Json,
  at: string,
  skip: readonly string[],
): string =>
  readDefinition(json, at, skip, target, {
    schema: (member, field) => {
      target.schemaJson = readObjectText(member, field);
    },
    strict: (member, field) => {
      target.strict = readBoolean(member, field);
    },
  });

/** @param readers by member; none of them is asked for null, which says nothing */
function readDefinition(
  json: Json,
  at: string,
  skip: readonly string[],
  target: { description: string },
  readers: Readonly<Record<string, Reader>>,
): string {
  let unknown = '';
  for (const key in json) {
    if (skip.includes(key)) continue;
    const member = json[key];
    const field = `${at}.${key}`;
    if (key === 'description') target.description = readOptionalString(member, field);
    else if (!Object.hasOwn(readers, key)) unknown = keepMember(unknown, key, member, field);
    else if (member !== null) readers[key]?.(member, field);
  }
  return unknown;
}
