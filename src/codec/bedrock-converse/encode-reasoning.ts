import type { Extras, ReasoningPart } from '../../../gen/llmgateway/v1/message_pb.js';
import { quote, rest, splitMembers } from '../json.ts';
import { reasoningFormat } from './decode-block.ts';
import type { EncodeContext } from './encode-context.ts';

/**
 * Reasoning of an earlier answer as a block; '' when the model takes none of it, which is reported. Claude takes back what it signed, the text byte
 * for byte, and nothing else; DeepSeek and Nova take none, not even their own; others take readable text.
 */
export function encodeReasoning(
  reasoning: ReasoningPart,
  extras: Extras | undefined,
  context: EncodeContext,
  at: string,
): string {
  const { text, signature, encrypted, format } = reasoning;
  const { vendor } = context.traits;
  if (vendor === 'deepseek' || vendor === 'nova') {
    context.warn('dropped_reasoning', at, 'the model does not take reasoning back');
    return '';
  }
  const own = format === reasoningFormat(context.traits);
  if ((signature !== '' || encrypted !== '') && !own) {
    context.warn(
      'dropped_reasoning_state',
      at,
      `state of ${format === '' ? 'an unnamed form' : format} is not the model's own`,
    );
  }
  const { inner, outer } = splitMembers(
    context.extraMembers(extras, at, ['reasoningText', 'redactedContent']),
    'reasoningContent',
  );
  const signed = own && signature !== '';
  let blocks = '';
  if (signed || (text !== '' && vendor !== 'anthropic' && vendor !== 'unknown')) {
    const proof = signed ? `,"signature":${quote(signature)}` : '';
    blocks = `{"reasoningContent":{"reasoningText":{"text":${quote(text)}${proof}${rest(inner)}}}${rest(outer)}}`;
  } else if (text !== '') {
    context.warn('dropped_reasoning', at, 'the model takes back only reasoning that it signed');
  }
  if (!own || encrypted === '') return blocks;
  const more = blocks === '' ? `${rest(inner)}}${rest(outer)}` : '}';
  return `${blocks === '' ? '' : `${blocks},`}{"reasoningContent":{"redactedContent":${quote(encrypted)}${more}}`;
}
