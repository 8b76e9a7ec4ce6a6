import { UpstreamError } from './errors.ts';
import { LineBuffer } from './line-buffer.ts';

/** One event of a `text/event-stream`. */
export interface SseEvent {
  /** Its type, `''` if it names none. */
  event: string;
  /** Its data lines, joined with `\n`. */
  data: string;
  /** The last id that this event or one before it named, `''` if none did. */
  id: string;
}

const MAX_LEFTOVER = 64 * 1024;
const COLON = 58;
const SPACE = 32;

/**
 * Reads an event stream from bytes, as the HTML standard (9.2) says, whatever the cuts between them. It is
 * told chunk by chunk; each event is there as soon as its last byte is.
 *
 * Beyond the standard: lines that no event stream has are kept for `leftover`, and an event that the stream's
 * end cuts off is handed out, marked as such by `end`.
 */
export class SseReader {
  readonly #maxEventBytes: number;
  readonly #lines = new LineBuffer(true);
  #start = true;
  #skipLf = false;
  #anyField = false;
  #data: string | null = null;
  #event = '';
  #id = '';
  #size = 0;
  #comments = 0;
  #leftover = '';

  /** @param maxEventBytes bound of one event, about; default 16 MiB */
  constructor(maxEventBytes: number = 16 * 1024 * 1024) {
    this.#maxEventBytes = maxEventBytes;
  }

  /** How many comments have come: no events, but a sign of life. */
  get comments(): number {
    return this.#comments;
  }

  /**
   * The lines that aren't of an event stream, up to 64 KiB of them: the whole body when an upstream answers
   * in JSON where a stream was expected, or an error that it put between events without framing.
   */
  leftover(): string {
    return this.#leftover;
  }

  /**
   * Takes the next bytes and appends the events they complete to `out`.
   * @throws UpstreamError `too_large` when an event exceeds its bound; the reader can't be used afterwards
   */
  push(chunk: Buffer, out: SseEvent[]): void {
    const text = this.#lines.push(chunk);
    if (text !== '') this.#parse(text, out);
    if (this.#lines.size + this.#size > this.#maxEventBytes) this.#tooLarge();
  }

  /**
   * Takes the end of the stream; an event that lacks its blank line is appended to `out` if it has data.
   * @returns whether the stream ended inside an event, so that what was appended may be cut off
   */
  end(out: SseEvent[]): boolean {
    const line = this.#lines.end();
    if (line !== '') this.#parse(`${line}\n`, out);
    const truncated = this.#data !== null || this.#event !== '' || (line !== '' && this.#anyField);
    this.#dispatch(out);
    return truncated;
  }

  /** @param text whole lines */
  #parse(text: string, out: SseEvent[]): void {
    let at = 0;
    if (this.#start) {
      this.#start = false;
      if (text.charCodeAt(0) === 0xfeff) at = 1;
    } else if (this.#skipLf && text.startsWith('\n')) {
      at = 1;
    }
    this.#skipLf = text.endsWith('\r');

    const { length } = text;
    let lf = text.indexOf('\n', at);
    let cr = text.indexOf('\r', at);
    while (at < length) {
      let end = lf;
      let next = lf + 1;
      if (cr !== -1 && (cr < lf || lf === -1)) {
        end = cr;
        next = cr + 1 === lf ? lf + 1 : cr + 1;
        cr = text.indexOf('\r', next);
      }
      if (end === at) this.#dispatch(out);
      else if (text.startsWith('data:', at)) this.#addData(text, at + 5, end);
      else this.#otherLine(text, at, end);
      at = next;
      if (lf !== -1 && lf < at) lf = text.indexOf('\n', at);
    }
  }

  #addData(text: string, from: number, end: number): void {
    const value = text.slice(text.charCodeAt(from) === SPACE ? from + 1 : from, end);
    this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
    this.#size += value.length;
    this.#anyField = true;
  }

  #otherLine(text: string, at: number, end: number): void {
    if (text.charCodeAt(at) === COLON) {
      this.#comments++;
      return;
    }
    const line = text.slice(at, end);
    const colon = line.indexOf(':');
    const value =
      colon === -1 ? '' : line.slice(line.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1);
    switch (colon === -1 ? line : line.slice(0, colon)) {
      case 'event':
        this.#event = value;
        break;
      case 'id':
        if (!value.includes('\0')) this.#id = value;
        break;
      case 'data':
        this.#addData('', 0, 0);
        return;
      case 'retry':
        break;
      default:
        if (this.#leftover.length < MAX_LEFTOVER) {
          this.#leftover = `${this.#leftover}${line}\n`.slice(0, MAX_LEFTOVER);
        }
        return;
    }
    this.#size += value.length;
    this.#anyField = true;
  }

  #dispatch(out: SseEvent[]): void {
    if (this.#size > this.#maxEventBytes) this.#tooLarge();
    if (this.#data !== null) out.push({ event: this.#event, data: this.#data, id: this.#id });
    this.#data = null;
    this.#event = '';
    this.#size = 0;
  }

  #tooLarge(): never {
    throw new UpstreamError('too_large', 'body', `an event is larger than ${this.#maxEventBytes} bytes`);
  }
}
