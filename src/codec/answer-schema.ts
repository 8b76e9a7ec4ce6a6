import type { JsonSchemaFormat } from '../../gen/llmgateway/v1/generation_pb.js';
import type { EncodeWarnings } from './encode-warnings.ts';
import { isObject, quote } from './json.ts';

/**
 * The schema of an answer for dialects that have only the schema, byte for byte but for what the answer is for: that is said in
 * the schema's own `description`, or, where it says something else there, reported as lost. The name that OpenAI wants a schema
 * to have is a label for its author, and is left out.
 * @param schema JSON text; by default the format's own
 */
export function describedSchema(
  { description, schemaJson }: JsonSchemaFormat,
  warnings: EncodeWarnings,
  schema = schemaJson,
): string {
  if (description === '') return schema;
  const json: unknown = JSON.parse(schema);
  if (!isObject(json)) return schema;
  const own = json['description'];
  if (own === undefined) {
    const members = schema.trim().slice(1, -1).trim();
    return `{"description":${quote(description)}${members === '' ? '' : `,${members}`}}`;
  }
  if (own !== description) {
    const why = 'the schema has another description';
    warnings.hint('dropped_description', 'response_format.json_schema.description', why);
  }
  return schema;
}
