import type { Warning } from '../../../gen/llmgateway/v1/completion_pb.js';
import type { CreateEmbeddingsRequest } from '../../../gen/llmgateway/v1/embeddings_service_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { number, quote, rest } from '../json.ts';
import { EncodeContext } from './encode-context.ts';
import { encodeOptions } from './encode-options.ts';
import { requestMembers } from './request-members.ts';

/**
 * Writes the body of POST /api/embed.
 * @throws GatewayError INVALID_REQUEST when a text is given as token ids
 */
export function encodeEmbeddingsRequest(
  request: CreateEmbeddingsRequest,
  model: string,
): { readonly body: string; readonly warnings: Warning[] } {
  const context = new EncodeContext(request.dropParams);
  const texts = request.inputs.map(({ content }, i) => {
    if (content.case === 'text') return quote(content.value);
    throw invalidRequest(
      'input',
      `Invalid 'input': Ollama takes texts, but input ${i} is a list of token ids.`,
    );
  });
  if (request.taskType !== '') {
    context.hint('dropped_task_type', 'task_type', 'Ollama does not ask what embeddings are for');
  }
  if (request.user !== '') context.hint('dropped_user', 'user', 'Ollama knows no end users');
  const { options: given, members } = requestMembers(request.extras, context);
  let body = `{"model":${quote(model)},"input":[${texts.join(',')}]`;
  if (request.dimensions !== undefined) body += `,"dimensions":${number(request.dimensions)}`;
  const options = encodeOptions(undefined, given);
  if (options !== '') body += `,"options":{${options}}`;
  return { body: `${body}${rest(members)}}`, warnings: context.warnings };
}
