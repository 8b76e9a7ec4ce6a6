// Reads just enough of HTTP/1.1 requests to answer them from a table.

export interface UpstreamRequest {
  /** POST to the chat completions path; anything else gets an empty list. */
  chat: boolean;
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
        chat: head.startsWith('POST ') && head.includes('/chat/completions '),
        stream: /"stream" ?: ?true/.test(body),
        includeUsage: /"include_usage" ?: ?true/.test(body),
      });
      buffer = buffer.subarray(end);
    }
    if (buffer.length > LIMIT) throw new Error('request too large');
    this.#rest = buffer.length > 0 ? buffer : undefined;
    return requests;
  }
}

function bodyEnd(head: string, buffer: Buffer, start: number): number {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (length) return start + Number(length[1]);
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return start;
  // `start - 2` so that an empty body's last chunk is found as well.
  const last = buffer.indexOf(LAST_CHUNK, start - 2);
  return last === -1 ? -1 : last + LAST_CHUNK.length;
}
