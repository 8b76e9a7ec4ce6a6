// Sends the chunks of many streams on time with a single timer.

import type { Socket } from 'node:net';
import { closing, contentChunk } from './replies.ts';

interface Stream {
  socket: Socket;
  sent: number;
  chunks: number;
  includeUsage: boolean;
  due: number;
  delayMs: number;
}

/** Unsent bytes at which a stream waits for its reader, so that a slow one does not fill the memory. */
const SLOW_READER = 256 * 1024;

/** Multiples of it modulo 1 spread evenly, however many there are. */
const GOLDEN_RATIO = 0.618034;

export class Pacer {
  /** In the order of being due. */
  #queue: Stream[] = [];
  #timer: NodeJS.Timeout | undefined;
  #started = 0;

  get open(): number {
    return this.#queue.length;
  }

  /** Takes a stream over after its first content chunk. */
  add(socket: Socket, chunks: number, delayMs: number, includeUsage: boolean): void {
    // A phase of its own for every stream: were it the time of arrival, a system that opens streams faster would get
    // their chunks in tighter clusters, which are cheaper to handle.
    const phase = ((this.#started++ * GOLDEN_RATIO) % 1) * delayMs;
    const now = performance.now();
    const due = now + delayMs + phase - (now % delayMs);
    this.#insert({ socket, sent: 1, chunks, includeUsage, delayMs, due });
    this.#schedule();
  }

  remove(socket: Socket): void {
    this.#queue = this.#queue.filter((stream) => stream.socket !== socket);
  }

  #insert(stream: Stream): void {
    const queue = this.#queue;
    let at = queue.length;
    while (at > 0 && queue[at - 1]!.due > stream.due) at--;
    queue.splice(at, 0, stream);
  }

  #schedule(): void {
    if (this.#timer || this.#queue.length === 0) return;
    this.#timer = setTimeout(this.#tick, Math.max(0, this.#queue[0]!.due - performance.now()));
  }

  #tick = (): void => {
    this.#timer = undefined;
    const now = performance.now();
    const queue = this.#queue;
    let at = 0;
    const kept: Stream[] = [];
    for (; at < queue.length && queue[at]!.due <= now; at++)
      if (this.#send(queue[at]!)) kept.push(queue[at]!);
    this.#queue = queue.slice(at).concat(kept);
    this.#schedule();
  };

  #send(stream: Stream): boolean {
    stream.due += stream.delayMs;
    if (stream.socket.destroyed) return false;
    if (stream.socket.writableLength > SLOW_READER) return true;
    if (stream.sent === stream.chunks) {
      stream.socket.write(closing(stream.includeUsage));
      return false;
    }
    stream.socket.write(contentChunk(stream.sent++));
    return true;
  }
}
