import type { CreateChatCompletionResponse } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { Warning } from '../../gen/llmgateway/v1/completion_pb.js';
import { EncodeWarnings } from './encode-warnings.ts';

/**
 * What of a whole answer a face leaves out: parts of kinds that only another dialect has. What they say in plain text is not put in their
 * place, since the model did not say it. Of a streamed answer this is known when the head has gone.
 * @param dialect name of the face's dialect
 */
export function unsaidParts({ choices }: CreateChatCompletionResponse, dialect: string): Warning[] {
  const warnings = new EncodeWarnings(dialect);
  for (const { index, message } of choices) {
    for (const { content } of message?.parts ?? []) {
      if (content.case !== 'opaque' || content.value.dialect === dialect) continue;
      const { type, dialect: other } = content.value;
      warnings.warn(
        'dropped_part',
        `choices[${index}]`,
        `a part ${type} of ${other} has no place in ${dialect}`,
      );
    }
  }
  return warnings.warnings;
}
