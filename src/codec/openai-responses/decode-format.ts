import type { ResponseFormat } from '../../../gen/llmgateway/v1/generation_pb.js';
import * as build from '../../model/build.ts';
import { readSchema } from '../definitions.ts';
import { keepMember, readName, readObject, writeJson } from '../fields.ts';
import type { Json } from '../json.ts';
import { dialectName } from './dialect.ts';

/** A form of answer, and its members that the model has no place for. */
export interface DecodedFormat {
  readonly format: ResponseFormat;
  readonly unknown: string;
}

/** `text.format`. @throws GatewayError INVALID_REQUEST */
export function decodeFormat(value: unknown, field: string): DecodedFormat {
  const json = readObject(value, field);
  const type = readName(json['type'], `${field}.type`, 256);
  switch (type) {
    case 'text':
      return {
        format: build.responseFormat({ case: 'text', value: { $typeName: 'llmgateway.v1.TextFormat' } }),
        unknown: others(json, field),
      };
    case 'json_object':
      return {
        format: build.responseFormat({
          case: 'jsonObject',
          value: { $typeName: 'llmgateway.v1.JsonObjectFormat' },
        }),
        unknown: others(json, field),
      };
    case 'json_schema':
      return decodeSchema(json, field);
    default: {
      const value = build.opaque(dialectName, type, writeJson(json, field));
      return { format: build.responseFormat({ case: 'opaque', value }), unknown: '' };
    }
  }
}

function others(json: Json, field: string): string {
  let unknown = '';
  for (const key in json)
    if (key !== 'type') unknown = keepMember(unknown, key, json[key], `${field}.${key}`);
  return unknown;
}

function decodeSchema(json: Json, field: string): DecodedFormat {
  const schema = build.jsonSchemaFormat(readName(json['name'], `${field}.name`, 64));
  const unknown = readSchema(schema, json, field, ['type', 'name']);
  return { format: build.responseFormat({ case: 'jsonSchema', value: schema }), unknown };
}
