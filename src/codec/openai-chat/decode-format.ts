import type { ResponseFormat } from '../../../gen/llmgateway/v1/generation_pb.js';
import * as build from '../../model/build.ts';
import { readSchema } from '../definitions.ts';
import { keepMember, readName, readObject, writeJson } from '../fields.ts';
import { addNested } from '../json.ts';
import { dialectName } from './dialect.ts';

/** A response format, and what it has beyond the model: members of the request's extras under `response_format`. */
export interface DecodedFormat {
  readonly format: ResponseFormat;
  readonly unknown: string;
}

/** @throws GatewayError INVALID_REQUEST */
export function decodeResponseFormat(value: unknown, field: string): DecodedFormat {
  const json = readObject(value, field);
  const type = readName(json['type'], `${field}.type`, 256);
  let unknown = '';
  for (const key in json) {
    if (key === 'type' || (key === 'json_schema' && type === 'json_schema')) continue;
    unknown = keepMember(unknown, key, json[key], `${field}.${key}`);
  }
  switch (type) {
    case 'text':
      return { format: build.responseFormat({ case: 'text', value: textFormat }), unknown };
    case 'json_object':
      return { format: build.responseFormat({ case: 'jsonObject', value: jsonFormat }), unknown };
    case 'json_schema':
      return decodeSchema(json['json_schema'], `${field}.json_schema`, unknown);
    default: {
      const opaque = build.opaque(dialectName, type, writeJson(json, field));
      return { format: build.responseFormat({ case: 'opaque', value: opaque }), unknown: '' };
    }
  }
}

const textFormat = { $typeName: 'llmgateway.v1.TextFormat' } as const;
const jsonFormat = { $typeName: 'llmgateway.v1.JsonObjectFormat' } as const;

function decodeSchema(value: unknown, field: string, outer: string): DecodedFormat {
  const json = readObject(value, field);
  const schema = build.jsonSchemaFormat(readName(json['name'], `${field}.name`, 64));
  const inner = readSchema(schema, json, field, ['name']);
  const format = build.responseFormat({ case: 'jsonSchema', value: schema });
  return { format, unknown: addNested(outer, 'json_schema', inner) };
}
