import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { CreateEmbeddingsRequest } from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import type { Message } from '../../gen/llmgateway/v1/message_pb.js';
import type { Screening } from './screening.ts';

/** What is said, by users, models and tools: here words count, too. */
const spoken = new Set(['text', 'arguments', 'transcript']);
/** What nobody can read: state of providers, bytes. */
const unread = new Set(['$typeName', 'signature', 'encrypted', 'base64']);
/** Files of these types are texts. */
const textTypes =
  /^(?:text\/|application\/(?:[\w.-]+\+)?(?:json|xml|yaml|x-yaml|toml|javascript|sql|x-sh)\b)/i;
/** Requests are not nested deeper. */
const maxDepth = 32;

/** Reads a message: system texts, what was asked and answered, calls of tools and their results, and whatever else it has. */
export const readMessage = (message: Message, screening: Screening): void =>
  walk(message, '', screening, true, 0);

/** Reads all messages of a request, and what else of it goes to the model. */
export function readChat(request: CreateChatCompletionRequest, screening: Screening): void {
  const { messages, ...rest } = request;
  for (const message of messages) readMessage(message, screening);
  walk(rest, '', screening, false, 0);
}

/** Reads the texts that are to become vectors. @param textOf what ids of tokens stand for */
export function readEmbeddings(
  { inputs, ...rest }: CreateEmbeddingsRequest,
  screening: Screening,
  textOf: (ids: readonly number[]) => string,
): void {
  for (const { content } of inputs) {
    if (content.case === 'text') screening.read(content.value);
    else if (content.case === 'tokens') screening.read(textOf(content.value.ids));
  }
  walk(rest, '', screening, false, 0);
}

/**
 * All texts of a value, whatever fields the contract gets in time.
 * @param says the value is a part of a conversation
 */
function walk(value: unknown, key: string, screening: Screening, says: boolean, depth: number): void {
  if (typeof value === 'string') {
    if (value === '' || unread.has(key)) return;
    const url = dataUrlOf(value);
    if (says && spoken.has(key)) screening.read(value);
    else if (url?.isBase64 !== true) screening.readForms(value);
    if (url !== null && textTypes.test(url.type)) screening.read(bodyOf(url));
    return;
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || depth > maxDepth) return;
  if (Array.isArray(value)) {
    for (const item of value) walk(item, key, screening, says, depth + 1);
    return;
  }
  const file = fileText(value as Record<string, unknown>);
  if (file !== null) screening.read(file);
  // What a oneof holds is called by its case.
  const { case: name } = value as { case?: unknown };
  for (const [own, item] of Object.entries(value)) {
    walk(item, own === 'value' && typeof name === 'string' ? name : own, screening, says, depth + 1);
  }
}

/** The text of a file that came as bytes; null where it is none. */
function fileText({ source, mediaType, filename }: Record<string, unknown>): string | null {
  if (typeof source !== 'object' || source === null) return null;
  const { case: name, value } = source as { case?: unknown; value?: unknown };
  const isText =
    textTypes.test(String(mediaType)) ||
    /\.(?:txt|md|csv|json|ya?ml|xml|pem|env|log)$/i.test(String(filename));
  if (!isText) return null;
  if (name === 'data' && value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8');
  const url = name === 'url' && typeof value === 'string' ? dataUrlOf(value) : null;
  // One that says itself that it is a text is read where it stands.
  return url === null || textTypes.test(url.type) ? null : bodyOf(url);
}

interface DataUrl {
  readonly type: string;
  readonly isBase64: boolean;
  /** As it is written. */
  readonly body: string;
}

/** What stands before a data URL's comma (RFC 2397) is not longer. */
const maxHead = 300;

/** Null for a text that is none, though it may begin like one. */
function dataUrlOf(text: string): DataUrl | null {
  if (text.slice(0, 5).toLowerCase() !== 'data:') return null;
  const comma = text.slice(0, maxHead).indexOf(',');
  const [, type, more = ''] =
    /^([\w.+-]+\/[\w.+-]+)?((?:;[^;]*)*)$/.exec(text.slice(5, Math.max(5, comma))) ?? [];
  if (comma < 0 || (type === undefined && more === '' && comma !== 5)) return null;
  return {
    type: type ?? 'text/plain',
    isBase64: /;\s*base64\s*$/i.test(more),
    body: text.slice(comma + 1),
  };
}

const bodyOf = ({ isBase64, body }: DataUrl): string =>
  isBase64
    ? Buffer.from(body, 'base64').toString('utf8')
    : body.replace(/(?:%[\da-f]{2})+/gi, (bytes) => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString());
