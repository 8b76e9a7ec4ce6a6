import { isObject, type Json } from '../json.ts';

const line = (json: Json): string => JSON.stringify(json);

const control = (id: string, request: Json): string =>
  line({ type: 'control_request', request_id: id, request });

/** Sets the model; is answered at once and asks nothing of it, so that it serves as a sign of life. */
export const setModel = (id: string, model: string): string => control(id, { subtype: 'set_model', model });

export const interrupt = (id: string): string => control(id, { subtype: 'interrupt' });

/** The answer to whatever the program asks: may it use a tool, and the like. */
export const refuse = (id: string): string =>
  line({
    type: 'control_response',
    response: { subtype: 'error', request_id: id, error: 'nothing is allowed here' },
  });

/** A conversation in Anthropic's form: bodies of POST /v1/messages have these members. */
export interface ClaudeConversation {
  /** Text, or blocks of text. */
  readonly system?: unknown;
  /** Objects with `role` and `content`, which is text or blocks. */
  readonly messages: readonly unknown[];
}

export interface ClaudeTurnOptions {
  /** Makes a mark that no text of the conversation has: it tells turns from what users write. */
  readonly mark: () => string;
}

/** What the ids of replies to what comes with a turn begin with. */
export const turnReplies = 'turn_';

/**
 * The lines that ask for one answer of the model that was set before: the system prompt, and one message of the user's, which is all that the program takes. A conversation
 * of several turns is told in it.
 */
export function encodeTurn({ system, messages }: ClaudeConversation, options: ClaudeTurnOptions): string {
  const lines: string[] = [];
  const systemPrompt = textOf(system);
  // The program takes its first word for it; the arguments have one that says nothing.
  if (systemPrompt !== '')
    lines.push(control(`${turnReplies}system`, { subtype: 'initialize', systemPrompt }));
  lines.push(
    line({
      type: 'user',
      message: { role: 'user', content: withoutCommand(contentOf(messages, options.mark)) },
      parent_tool_use_id: null,
      session_id: 'default',
    }),
  );
  return `${lines.join('\n')}\n`;
}

/** The text of a system prompt, or of blocks. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return '';
  return value
    .map((block) => (isObject(block) && typeof block['text'] === 'string' ? block['text'] : ''))
    .filter((text) => text !== '')
    .join('\n\n');
}

type Block = Readonly<Record<string, unknown>>;

const text = (value: string): Block => ({ type: 'text', text: value });

function contentOf(messages: readonly unknown[], markOf: () => string): Block[] {
  const turns = messages.filter(isObject);
  const [only] = turns;
  if (turns.length === 1 && only?.['role'] === 'user') {
    const blocks = blocksOf(only['content']);
    return blocks.length === 0 ? [text(' ')] : blocks;
  }
  const mark = markOf();
  const out: Block[] = [
    text(
      `What follows is a conversation so far. Each turn stands between <turn-${mark} role="..."> and </turn-${mark}>. Write the assistant's next turn: only its text, without these marks, and without a word on them.`,
    ),
  ];
  for (const { role, content } of turns) {
    out.push(text(`<turn-${mark} role="${role === 'assistant' ? 'assistant' : 'user'}">`));
    out.push(...blocksOf(content), text(`</turn-${mark}>`));
  }
  return joined(out);
}

/** Blocks that the program takes in a user's message: texts, pictures and documents; others as texts. Marks of caches are the program's own matter. */
function blocksOf(content: unknown): Block[] {
  if (typeof content === 'string') return content === '' ? [] : [text(content)];
  if (!Array.isArray(content)) return [];
  return content.filter(isObject).flatMap((block): Block[] => {
    const { cache_control: _, ...plain } = block;
    switch (block['type']) {
      case 'text':
        return typeof block['text'] === 'string' && block['text'] !== '' ? [text(block['text'])] : [];
      case 'image':
      case 'document':
        return [plain];
      case 'tool_use':
        return [text(`[called the tool ${block['name']} with ${JSON.stringify(block['input'] ?? {})}]`)];
      case 'tool_result':
        return [text('[result of the tool:]'), ...blocksOf(block['content'])];
      // Thoughts of earlier turns are for the API alone.
      case 'thinking':
      case 'redacted_thinking':
        return [];
      default:
        return [text(JSON.stringify(plain))];
    }
  });
}

/** Texts that follow each other as one. */
function joined(blocks: readonly Block[]): Block[] {
  const out: Block[] = [];
  for (const block of blocks) {
    const last = out.at(-1);
    if (block['type'] === 'text' && last?.['type'] === 'text') {
      out[out.length - 1] = text(`${last['text']}\n${block['text']}`);
    } else out.push(block);
  }
  return out;
}

/** The program takes a last text that begins with a slash for a command to itself. */
function withoutCommand(blocks: Block[]): Block[] {
  return blocks.map((block) =>
    block['type'] === 'text' && String(block['text']).startsWith('/') ? text(`\n${block['text']}`) : block,
  );
}
