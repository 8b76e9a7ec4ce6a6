import type { ResponseFormat } from '../../../gen/llmgateway/v1/generation_pb.js';
import { quote, rest } from '../json.ts';
import { dialectName } from './dialect.ts';

/**
 * `text.format` as JSON text; '' for a form of another dialect.
 * @param members further members of the format
 */
export function encodeFormat({ kind }: ResponseFormat, members = ''): string {
  switch (kind.case) {
    case 'text':
      return `{"type":"text"${rest(members)}}`;
    case 'jsonObject':
      return `{"type":"json_object"${rest(members)}}`;
    case 'jsonSchema': {
      const { name, description, schemaJson, strict } = kind.value;
      let json = `{"type":"json_schema","name":${quote(name)}`;
      if (description !== '') json += `,"description":${quote(description)}`;
      json += `,"schema":${schemaJson === '' ? '{}' : schemaJson}`;
      if (strict !== undefined) json += `,"strict":${strict}`;
      return `${json}${rest(members)}}`;
    }
    case 'opaque':
      return kind.value.dialect === dialectName ? kind.value.json : '';
    default:
      return '';
  }
}
