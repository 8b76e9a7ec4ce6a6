import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { CreateEmbeddingsRequest } from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import type { Message } from '../../gen/llmgateway/v1/message_pb.js';
import { isBase64, textOfBase64, textOfBytes } from './file-text.ts';
import type { Screening } from './screening.ts';

/** What is said, by users, models and tools, and what the gateway does not know of that: here words count, too. */
const spoken = new Set(['text', 'arguments', 'transcript', 'json']);
/** So in whatever it stands: what an answer will say. */
const alwaysSpoken = new Set(['predictionJson']);
/** What nobody can read in a conversation: state of providers, bytes. Elsewhere clients choose names, which may be these. */
const unread = new Set(['signature', 'encrypted', 'base64']);
/** Files of these types are texts. */
const textTypes =
  /^(?:text\/|application\/(?:[\w.-]+\+)?(?:json|xml|yaml|x-yaml|toml|javascript|sql|x-sh)\b|image\/svg\+xml)/i;
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
    if (value === '' || isTypeName(key, value) || (says && unread.has(key))) return;
    const url = dataUrlOf(value);
    if (alwaysSpoken.has(key) || (says && spoken.has(key))) screening.read(value);
    // The bytes of an address say nothing as letters; any other text may begin like one.
    else if (key !== 'url' || url?.isBase64 !== true) screening.readDescription(value);
    if (url !== null) readFile(bodyOf(url), screening);
    // Some give a file so, without the head of an address.
    if (key === 'url' && isBase64(value)) readFile(textOfBase64(value), screening);
    return;
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || depth > maxDepth) return;
  if (Array.isArray(value)) {
    if (key === 'parts' && value.length > 1) readSeams(value, screening);
    for (const item of value) walk(item, key, screening, says, depth + 1);
    return;
  }
  const file = fileText(value as Record<string, unknown>);
  readFile(file, screening);
  // What a oneof holds is called by its case.
  const { case: name } = value as { case?: unknown };
  for (const [own, item] of Object.entries(value)) {
    walk(item, own === 'value' && typeof name === 'string' ? name : own, screening, says, depth + 1);
  }
}

/** Also clients choose keys; but no secret looks like the name of a message. */
const isTypeName = (key: string, value: string): boolean =>
  key === '$typeName' && /^llmgateway\.v1\.[A-Za-z.]+$/.test(value);

/** The text of a file that came as bytes; null where it is none. */
function fileText({ source, mediaType, filename }: Record<string, unknown>): string | null {
  if (typeof source !== 'object' || source === null) return null;
  const { value } = source as { value?: unknown };
  if (!(value instanceof Uint8Array)) return null;
  const isText =
    textTypes.test(String(mediaType)) ||
    /\.(?:txt|md|csv|json|ya?ml|xml|pem|env|log)$/i.test(String(filename));
  return textOfBytes(value, isText);
}

function readFile(text: string | null, screening: Screening): void {
  if (text !== null) screening.read(text);
}

/** Characters on each side of where two texts meet. */
const seam = 200;

/** What is split over the texts of one message, which models get as one. */
function readSeams(parts: readonly unknown[], screening: Screening): void {
  let joined = '';
  let texts = 0;
  for (const part of parts) {
    const { content } = part as { content?: { case?: string; value?: { text?: unknown } } };
    const text = content?.case === 'text' ? content.value?.text : undefined;
    if (typeof text !== 'string') continue;
    joined += text.length <= 2 * seam ? text : `${text.slice(0, seam)}\n${text.slice(-seam)}`;
    texts++;
  }
  if (texts > 1) screening.readForms(joined);
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
    // Without one it may be anything, whatever the RFC says.
    type: type ?? '',
    isBase64: /;\s*base64\s*$/i.test(more),
    body: text.slice(comma + 1),
  };
}

/** The text that it stands for; null where it is none. */
const bodyOf = ({ type, isBase64: encoded, body }: DataUrl): string | null =>
  encoded
    ? textOfBase64(body, textTypes.test(type))
    : body.replace(/(?:%[\da-f]{2})+/gi, (bytes) => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString());
