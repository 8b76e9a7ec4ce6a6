import type { PartDelta } from '../../gen/llmgateway/v1/completion_pb.js';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';

/** A part that may grow: what it began as is the event's, and stays as it is. */
export function growingCopy(part: Part): Part {
  const { content } = part;
  const value =
    content.case === 'text'
      ? { ...content.value, annotations: [...content.value.annotations] }
      : content.case === 'audio'
        ? { ...content.value, source: { ...content.value.source } }
        : { ...content.value };
  return { ...part, content: { case: content.case, value } as Part['content'] };
}

/** Adds what has come. A part of a kind that does not grow stays as it is. */
export function grow({ content }: Part, { text, transcript, annotations }: PartDelta): void {
  switch (content.case) {
    case 'text':
      content.value.text += text;
      if (annotations.length > 0) content.value.annotations.push(...annotations);
      return;
    case 'reasoning':
    case 'refusal':
      content.value.text += text;
      return;
    case 'toolCall':
      content.value.arguments += text;
      return;
    case 'audio':
      if (content.value.source.case === 'base64') content.value.source.value += text;
      content.value.transcript += transcript;
      return;
    default:
  }
}
