/** JSON, as a type that says so. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The same without members that are null, which say the same as none. */
export function withoutNulls(value: unknown): Json {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value as Json;
  const members = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(members.map(([key, member]) => [key, withoutNulls(member)]));
}

interface Frame {
  readonly type: string;
  readonly index: number;
  readonly message: Record<string, unknown>;
  readonly content_block: Record<string, unknown>;
  readonly delta: Record<string, unknown> & { readonly type?: string };
  readonly usage: Record<string, unknown>;
}

/** What a member of a block is a delta of. */
const grown: Readonly<Record<string, readonly [delta: string, member: string]>> = {
  text_delta: ['text', 'text'],
  thinking_delta: ['thinking', 'thinking'],
  signature_delta: ['signature', 'signature'],
  input_json_delta: ['partial_json', 'json'],
};

/** The message that the frames of a stream add up to, in the way of Anthropic's SDK, whatever else they say, and their order. */
export function sumOfStream(frames: readonly string[]): Json {
  let message: Record<string, unknown> = {};
  let usage: Record<string, unknown> = {};
  const blocks: Record<string, unknown>[] = [];
  const others: unknown[] = [];
  for (const data of frames) {
    const frame = JSON.parse(data) as Frame;
    switch (frame.type) {
      case 'ping':
      case 'content_block_stop':
      case 'message_stop':
        break;
      case 'message_start':
        message = frame.message;
        usage = { ...(message['usage'] as object) };
        break;
      case 'content_block_start':
        blocks[frame.index] = { ...frame.content_block };
        break;
      case 'content_block_delta': {
        const block = blocks[frame.index] as Record<string, unknown>;
        const [from, to] = grown[frame.delta.type ?? ''] ?? [];
        if (from !== undefined && to !== undefined) block[to] = `${block[to] ?? ''}${frame.delta[from]}`;
        else if (frame.delta.type === 'citations_delta') {
          block['citations'] = [...((block['citations'] ?? []) as unknown[]), frame.delta['citation']];
        } else others.push(frame);
        break;
      }
      case 'message_delta': {
        const { type: _, delta, usage: more, ...rest } = frame;
        message = { ...message, ...delta, ...rest };
        usage = {
          ...usage,
          ...Object.fromEntries(Object.entries(more).filter(([, value]) => value !== null)),
        };
        break;
      }
      default:
        others.push(frame);
    }
  }
  for (const block of blocks) {
    // Input that came with the block, or as deltas, is the same.
    const json = block['json'] as string | undefined;
    delete block['json'];
    if (json !== undefined && json !== '') block['input'] = JSON.parse(json);
    // A list that stays empty says nothing.
    if (Array.isArray(block['citations']) && block['citations'].length === 0) delete block['citations'];
  }
  return withoutNulls({ ...message, usage, content: blocks, others });
}
