import type { Prompt } from '../../gen/llmgateway/v1/query_service_pb.js';
import { isObject, type Json } from '../codec/json.ts';

/** What is put of one thing into a prompt at most, in characters. */
const maxHistory = 8_192;
const maxSnippet = 500;
const maxTitle = 200;
/** Documents that are put into a prompt. */
const maxDocuments = 5;

/** What a service says, as a member of a prompt's context: as it is, or the beginning of its text where it is long. */
export function bounded(said: unknown): unknown {
  const text = JSON.stringify(said) ?? '';
  return text.length <= maxHistory ? said : shortened(typeof said === 'string' ? said : text, maxHistory);
}

/** The same of what was found in the document store. */
export function boundedDocuments(found: unknown): unknown {
  const documents = documentsIn(found);
  const isShort = JSON.stringify(found).length <= maxDocuments * (maxTitle + maxSnippet);
  if (isShort && documents.length <= maxDocuments) return found;
  return documents.length === 0 ? bounded(found) : documents.slice(0, maxDocuments).map(documentText);
}

/** What is known besides a prompt, as text for a model. */
export function contextBlock(known: {
  /** As its service says it; null for none. */
  readonly history: unknown;
  readonly documents: unknown;
  /** Documents were asked for. */
  readonly searched: boolean;
  /** The client's own context: text, JSON text, or ''. */
  readonly own: string;
}): string {
  const lines = ['Context:', `Conversation history: ${historyText(known.history)}`];
  if (known.searched) {
    const documents = documentsIn(known.documents);
    lines.push(`Documents found: ${documents.length}`);
    documents.slice(0, maxDocuments).forEach((one, i) => {
      lines.push(`${i + 1}. ${documentText(one)}`);
    });
  }
  lines.push(`User context: ${known.own === '' || known.own === '{}' ? 'none' : known.own}`);
  return lines.join('\n');
}

function historyText(history: unknown): string {
  const said = isObject(history) ? (history['summary'] ?? history['history'] ?? history) : history;
  const isEmpty =
    said === null ||
    said === '' ||
    (Array.isArray(said) && said.length === 0) ||
    (isObject(said) && Object.keys(said).length === 0);
  return isEmpty ? 'none' : shortened(typeof said === 'string' ? said : JSON.stringify(said), maxHistory);
}

/** Services call the list by different names. */
function documentsIn(found: unknown): unknown[] {
  if (Array.isArray(found)) return found;
  if (!isObject(found)) return [];
  for (const name of ['documents', 'results', 'items']) {
    const list = found[name];
    if (Array.isArray(list)) return list;
  }
  return [];
}

function documentText(one: unknown): string {
  if (!isObject(one)) return shortened(String(one), maxSnippet);
  const title = one['title'] ?? one['id'];
  const content = one['snippet'] ?? one['content'] ?? one['text'];
  if (typeof content !== 'string') return shortened(JSON.stringify(one), maxSnippet);
  const head = typeof title === 'string' ? `${shortened(title, maxTitle)}: ` : '';
  return `${head}${shortened(content, maxSnippet)}`;
}

const shortened = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most).toWellFormed()}…` : text;

/** A query as clients of REST write it. @param context its own, as an object */
export const queryJson = (prompt: Prompt, context: Json): Json => ({
  prompt: prompt.prompt,
  ...(prompt.contextJson !== '' ? { context } : {}),
  ...(prompt.context !== '' ? { context: prompt.context } : {}),
  ...(prompt.provider !== '' ? { provider: prompt.provider } : {}),
  ...(prompt.model !== '' ? { model: prompt.model } : {}),
  ...(prompt.userId !== '' ? { user_id: prompt.userId } : {}),
  ...(prompt.temperature === undefined ? {} : { temperature: prompt.temperature }),
  ...(prompt.maxTokens === undefined ? {} : { max_tokens: prompt.maxTokens }),
  force_refresh: prompt.forceRefresh,
  ...(prompt.conversationId !== '' ? { conversation_id: prompt.conversationId } : {}),
});
