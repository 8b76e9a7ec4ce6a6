// Reads just enough of HTTP/1.1 requests to answer them from a table.

/** OpenAI's chat completions, Anthropic's messages, Gemini's generateContent. */
export type Api = 'openai' | 'anthropic' | 'gemini';

export interface UpstreamRequest {
  /** Whose chat is asked for, by the path; null for anything else, which gets an empty list. */
  api: Api | null;
  stream: boolean;
  includeUsage: boolean;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('\r\n0\r\n\r\n');
/** Most bytes kept of an unfinished request. */
const LIMIT = 16 * 1024 * 1024;

export class RequestReader {
  #rest: Buffer | undefined;

  /** Requests that are complete with these bytes. Throws when a request grows beyond 16 MiB. */
  push(data: Buffer): UpstreamRequest[] {
    let buffer = this.#rest ? Buffer.concat([this.#rest, data]) : data;
    const requests: UpstreamRequest[] = [];
    for (;;) {
      const headEnd = buffer.indexOf(HEAD_END);
      if (headEnd === -1) break;
      const head = buffer.toString('latin1', 0, headEnd);
      const end = bodyEnd(head, buffer, headEnd + 4);
      if (end === -1 || end > buffer.length) break;
      const body = buffer.toString('latin1', headEnd + 4, end);
      requests.push({
        api: head.startsWith('POST ') ? apiOf(head) : null,
        stream: /"stream" ?: ?true/.test(body) || head.includes(':streamGenerateContent'),
        includeUsage: /"include_usage" ?: ?true/.test(body),
      });
      buffer = buffer.subarray(end);
    }
    if (buffer.length > LIMIT) throw new Error('request too large');
    this.#rest = buffer.length > 0 ? buffer : undefined;
    return requests;
  }
}

function apiOf(head: string): Api | null {
  if (head.includes('/chat/completions ')) return 'openai';
  if (head.includes('/messages ')) return 'anthropic';
  return /:(?:stream)?generateContent/i.test(head) ? 'gemini' : null;
}

function bodyEnd(head: string, buffer: Buffer, start: number): number {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (length) return start + Number(length[1]);
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return start;
  // `start - 2` so that an empty body's last chunk is found as well.
  const last = buffer.indexOf(LAST_CHUNK, start - 2);
  return last === -1 ? -1 : last + LAST_CHUNK.length;
}
