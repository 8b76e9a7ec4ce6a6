import type { ResponseFormat } from '../../../gen/llmgateway/v1/generation_pb.js';
import * as build from '../../model/build.ts';
import {
  keepMember,
  readBoolean,
  readName,
  readObject,
  readObjectText,
  readOptionalString,
  writeJson,
} from '../fields.ts';
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
  let unknown = '';
  for (const key in json) {
    const member = json[key];
    switch (key) {
      case 'type':
      case 'name':
        break;
      case 'description':
        schema.description = readOptionalString(member, `${field}.${key}`);
        break;
      case 'schema':
        schema.schemaJson = readObjectText(member, `${field}.${key}`);
        break;
      case 'strict':
        if (member !== null) schema.strict = readBoolean(member, `${field}.${key}`);
        break;
      default:
        unknown = keepMember(unknown, key, member, `${field}.${key}`);
    }
  }
  return { format: build.responseFormat({ case: 'jsonSchema', value: schema }), unknown };
}
