import type { Warning } from '../../../gen/llmgateway/v1/completion_pb.js';
import type {
  CreateEmbeddingsRequest,
  EmbeddingInput,
} from '../../../gen/llmgateway/v1/embeddings_service_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { EncodeWarnings } from '../encode-warnings.ts';
import { number, quote, rest } from '../json.ts';
import { dialectName, type EmbeddingEncoding } from './dialect.ts';

export interface EncodeEmbeddingsOptions {
  /** The model's name at the provider. */
  readonly model: string;
  /** How the vectors are to be written. `float` is every provider's default, and so not said: some know no other. */
  readonly encoding: EmbeddingEncoding;
}

export interface EncodedEmbeddingsRequest {
  /** JSON text. */
  readonly body: string;
  /** What the form could not carry. */
  readonly warnings: Warning[];
}

/**
 * Writes the body of POST /embeddings. What is asked of the gateway itself is not in it.
 * @throws GatewayError INVALID_REQUEST for texts and token ids in one request, which this form cannot say
 */
export function encodeEmbeddingsRequest(
  request: CreateEmbeddingsRequest,
  { model, encoding }: EncodeEmbeddingsOptions,
): EncodedEmbeddingsRequest {
  const warnings = new EncodeWarnings(dialectName);
  const members = warnings.members(request.extras, 'extras');
  const { dimensions, taskType, user } = request;
  let body = `{"model":${quote(model)},"input":${encodeInputs(request.inputs)}`;
  if (dimensions !== undefined) body += `,"dimensions":${number(dimensions)}`;
  if (encoding === 'base64') body += ',"encoding_format":"base64"';
  if (taskType !== '') body += `,"task_type":${quote(taskType)}`;
  if (user !== '') body += `,"user":${quote(user)}`;
  return { body: `${body}${rest(members)}}`, warnings: warnings.warnings };
}

function encodeInputs(inputs: readonly EmbeddingInput[]): string {
  const kind = inputs[0]?.content.case;
  let list = '';
  for (let i = 0; i < inputs.length; i++) {
    const { content } = inputs[i] as EmbeddingInput;
    if (content.case !== kind) {
      throw invalidRequest(`inputs[${i}]`, 'inputs: texts and token ids cannot be in one request');
    }
    if (i > 0) list += ',';
    list += content.case === 'text' ? quote(content.value) : `[${content.value?.ids.join() ?? ''}]`;
  }
  return inputs.length === 1 ? list : `[${list}]`;
}
