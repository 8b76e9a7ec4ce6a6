// Finds the end of HTTP/1.1 replies at the least cost; one reply at a time, bodies are not kept.

const HEAD_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('\r\n0\r\n\r\n');

export class ReplyReader {
  /** Status of the current reply, 0 before its head is complete. */
  status = 0;
  /** Bytes of the current reply, head included. */
  bytes = 0;
  #head: Buffer | undefined;
  /** Bytes still to come; -1: the last chunk has to be found; -2: the reply ends with the connection. */
  #left = 0;
  #tail: Buffer = Buffer.alloc(0);

  /** True when the reply is complete. */
  push(data: Buffer): boolean {
    this.bytes += data.length;
    if (this.status === 0) return this.#readHead(data);
    return this.#readBody(data);
  }

  /** Makes ready for the next reply. */
  reset(): void {
    this.status = 0;
    this.bytes = 0;
    this.#head = undefined;
    this.#tail = Buffer.alloc(0);
  }

  /** The last bytes received, at least `LAST_CHUNK` long when the reply is. */
  get tail(): Buffer {
    return this.#tail;
  }

  /** Whether the end of the connection is a proper end of the current reply. */
  get endsWithConnection(): boolean {
    return this.status !== 0 && this.#left === -2;
  }

  #readHead(data: Buffer): boolean {
    const buffer = this.#head ? Buffer.concat([this.#head, data]) : data;
    const end = buffer.indexOf(HEAD_END);
    if (end === -1) {
      this.#head = buffer;
      return false;
    }
    const head = buffer.toString('latin1', 0, end);
    this.status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)/i.exec(head);
    if (length) this.#left = Number(length[1]);
    else if (/\r\ntransfer-encoding: *chunked/i.test(head)) this.#left = -1;
    else this.#left = -2;
    // From the blank line on, so that an empty body's last chunk is found as well.
    return this.#readBody(buffer.subarray(this.#left < 0 ? end + 2 : end + 4));
  }

  #readBody(data: Buffer): boolean {
    const before = this.#tail;
    // The last chunk of a stream often arrives alone: keep enough before it to see how the stream ended.
    this.#tail = data.length < 256 && before.length > 0 ? Buffer.concat([before.subarray(-256), data]) : data;
    if (this.#left >= 0) {
      this.#left -= data.length;
      return this.#left <= 0;
    }
    if (this.#left === -2) return false;
    return endsWith(this.#tail, LAST_CHUNK);
  }
}

function endsWith(data: Buffer, end: Buffer): boolean {
  return data.length >= end.length && data.compare(end, 0, end.length, data.length - end.length) === 0;
}
