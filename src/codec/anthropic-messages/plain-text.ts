import { isObject, type Json } from '../json.ts';

/** Members of blocks, and of what is in them, that hold text for people, in the order in which they are read. */
const readable = [
  'title',
  'context',
  'source',
  'url',
  'text',
  'content',
  'stdout',
  'stderr',
  'lines',
  'tool_references',
  'tool_name',
  'error_code',
  'error_message',
] as const;

/** Deeper than any of the kinds of blocks below goes. A body could go on for as long as it likes. */
const maxDepth = 8;

/**
 * What a block of a kind that the model does not know says in plain text, for the models of other providers; '' for one that says
 * nothing, or nothing that anybody but Anthropic can read. Pictures in it have no text. What a tool found that Anthropic runs stands among
 * the words of the answer, so it begins with what it is.
 */
export function plainText(block: Json): string {
  const { type, content, tool_name: tool } = block;
  switch (type) {
    case 'search_result':
    case 'document':
      return textsIn(block, 0).join('\n');
    // Stands for the conversation before it.
    case 'compaction':
      return typeof content === 'string' ? content : '';
    case 'tool_reference':
      return typeof tool === 'string' ? tool : '';
    default: {
      if (typeof type !== 'string' || !type.endsWith('_tool_result')) return '';
      const found = textsIn(content, 0).join('\n');
      return found === '' ? '' : `\n[${type}]\n${found}\n`;
    }
  }
}

function textsIn(value: unknown, depth: number): string[] {
  if (typeof value === 'string') return value === '' ? [] : [value];
  if (depth >= maxDepth) return [];
  if (Array.isArray(value)) return value.flatMap((item) => textsIn(item, depth + 1));
  if (!isObject(value) || value['type'] === 'image') return [];
  const texts = readable.flatMap((key) => textsIn(value[key], depth + 1));
  // The source of a document that is plain text; that of another is its bytes.
  return value['type'] === 'text' ? [...texts, ...textsIn(value['data'], depth + 1)] : texts;
}
