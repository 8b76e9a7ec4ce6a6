import type {
  CreateEmbeddingsRequest,
  EmbeddingInput,
} from '../../../gen/llmgateway/v1/embeddings_service_pb.js';
import { embeddingsRequest, textInput, tokensInput } from '../../model/build-embeddings.ts';
import {
  invalid,
  keepMember,
  readArray,
  readBoolean,
  readInteger,
  readName,
  readObject,
  readOptionalString,
} from '../fields.ts';
import { membersAsExtras } from '../json.ts';
import { dialectName, type EmbeddingEncoding, maxInputs, maxTokenIds } from './dialect.ts';

/** A client's request, and how it wants the vectors written. */
export interface DecodedEmbeddingsRequest {
  readonly request: CreateEmbeddingsRequest;
  readonly encoding: EmbeddingEncoding;
}

const maxUint32 = 0xffff_ffff;
const anyLength = Number.POSITIVE_INFINITY;

/**
 * Reads the body of POST /embeddings, any JSON value.
 * @throws GatewayError INVALID_REQUEST that names the field as the client wrote it; nothing else
 */
export function decodeEmbeddingsRequest(json: unknown): DecodedEmbeddingsRequest {
  const body = readObject(json, 'body');
  const model = readName(body['model'], 'model', 512);
  const request = embeddingsRequest(model, decodeInputs(body['input'], 'input'));
  let encoding: EmbeddingEncoding = 'float';
  let unknown = '';
  for (const key in body) {
    const value = body[key];
    switch (key) {
      case 'model':
      case 'input':
        break;
      case 'dimensions':
        if (value !== null) request.dimensions = readInteger(value, key, 1, maxUint32);
        break;
      case 'encoding_format':
        if (value !== null) encoding = readEncoding(value, key);
        break;
      case 'user':
        request.user = readOptionalString(value, key);
        break;
      case 'task_type':
        request.taskType = readOptionalString(value, key, 256);
        break;
      case 'drop_params':
        if (value !== null) request.dropParams = readBoolean(value, key);
        break;
      case 'force_refresh':
        if (value !== null) request.forceRefresh = readBoolean(value, key);
        break;
      case 'no_store':
        if (value !== null) request.noStore = readBoolean(value, key);
        break;
      default:
        unknown = keepMember(unknown, key, value, key);
    }
  }
  if (unknown !== '') request.extras = membersAsExtras(dialectName, unknown);
  return { request, encoding };
}

function readEncoding(value: unknown, field: string): EmbeddingEncoding {
  if (value === 'float' || value === 'base64') return value;
  const expected = "'float' or 'base64'";
  throw typeof value === 'string'
    ? invalid(field, expected, value, 'another string')
    : invalid(field, expected, value);
}

/** One text or its token ids, or a list of one or the other. */
function decodeInputs(value: unknown, field: string): EmbeddingInput[] {
  if (typeof value === 'string') return [textInput(readName(value, field, anyLength))];
  if (!Array.isArray(value)) {
    throw invalid(field, 'a string, or an array of strings, token ids or arrays of token ids', value);
  }
  const [first] = value;
  if (first === undefined) throw invalid(field, 'at least one input', value, 'an empty array');
  if (typeof first === 'number') return [tokensInput(readIds(value, field))];
  const items = readArray(value, field, maxInputs);
  const inputs: EmbeddingInput[] = [];
  if (Array.isArray(first)) {
    for (let i = 0; i < items.length; i++) inputs.push(tokensInput(readIds(items[i], `${field}[${i}]`)));
  } else {
    for (let i = 0; i < items.length; i++)
      inputs.push(textInput(readName(items[i], `${field}[${i}]`, anyLength)));
  }
  return inputs;
}

function readIds(value: unknown, field: string): number[] {
  const items = readArray(value, field, maxTokenIds);
  if (items.length === 0) throw invalid(field, 'at least one token id', value, 'an empty array');
  for (let i = 0; i < items.length; i++) readInteger(items[i], `${field}[${i}]`, 0, maxUint32);
  return items as number[];
}
