import { createRequire } from 'node:module';
import type { TokenTable } from './bpe.ts';

const require = createRequire(import.meta.url);

/**
 * The text of token ids as OpenAI's models for embeddings have them (cl100k_base). Ids that there are not, and bytes that are no text, are `\ufffd`. The
 * table is loaded at the first use, which takes 0.1 s.
 */
export function embeddingsTokenText(ids: readonly number[]): string {
  const { default: table } = require('gpt-tokenizer/bpeRanks/cl100k_base') as { default: TokenTable };
  const pieces = ids.map((id) => {
    const token = table[id];
    return Buffer.from((token as string | undefined) ?? '\ufffd');
  });
  return Buffer.concat(pieces).toString('utf8');
}
