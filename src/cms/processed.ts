/** What the service made of a text. */
export interface Processed {
  /** The shorter text; null when it gave none, or took it back. */
  readonly text: string | null;
  /** The text in pieces, in their order; empty when it was not cut. */
  readonly chunks: readonly string[];
  /** Tokens of `text`; null when it does not say. */
  readonly tokens: number | null;
}

/** More pieces than this are no answer. */
const maxChunks = 10_000;

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Reads an answer of `POST /v1/context/process`, of older services (`optimized_tokens`) and newer ones (`final_tokens`,
 * `optimized_text` may be null).
 * @returns null when it is not one
 */
export function readProcessed(answer: string): Processed | null {
  let json: unknown;
  try {
    json = JSON.parse(answer);
  } catch {
    return null;
  }
  if (!isObject(json)) return null;
  if (json['rolled_back'] === true) return { text: null, chunks: [], tokens: null };
  const text = json['optimized_text'] ?? null;
  const tokens = json['optimized_tokens'] ?? json['final_tokens'] ?? null;
  const chunks = readChunks(json['chunks'] ?? []);
  if (text !== null && (typeof text !== 'string' || text.trim() === '')) return null;
  if (tokens !== null && !(Number.isSafeInteger(tokens) && (tokens as number) >= 0)) return null;
  if (chunks === null || (text === null && chunks.length === 0 && !('optimized_text' in json))) return null;
  return { text, chunks, tokens: tokens as number | null };
}

/** Pieces are texts, or objects with the text in `content`. */
function readChunks(given: unknown): string[] | null {
  if (!Array.isArray(given) || given.length > maxChunks) return null;
  const chunks: string[] = [];
  for (const chunk of given) {
    const content: unknown = isObject(chunk) ? chunk['content'] : chunk;
    if (typeof content !== 'string' || content.trim() === '') return null;
    chunks.push(content);
  }
  return chunks;
}
