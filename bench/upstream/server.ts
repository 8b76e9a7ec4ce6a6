// A look-alike of three providers that costs almost nothing: raw TCP, replies prepared as bytes.

import { createServer, type Server, type Socket } from 'node:net';
import { anthropicBurst, anthropicUnary } from './anthropic-replies.ts';
import { geminiBurst, geminiUnary } from './gemini-replies.ts';
import { Pacer } from './pacer.ts';
import { burstReply, contentChunk, emptyListReply, openingReply, unaryReply } from './replies.ts';
import { type Api, RequestReader, type UpstreamRequest } from './request-reader.ts';

export interface StreamShape {
  /** Content chunks of a streamed reply. */
  chunks: number;
  /** Milliseconds between them, the first comes at once; 0 sends the whole reply at once. */
  delayMs: number;
}

export interface UpstreamStats {
  /** Unfinished paced streams. */
  openStreams: number;
}

// Role and first token come together, as from a real model. A gateway may hold a stream back until its first token.
const pacedOpening = Buffer.concat([openingReply, contentChunk(0)]);

const unaryReplies: Readonly<Record<Api, Buffer>> = {
  openai: unaryReply,
  anthropic: anthropicUnary,
  gemini: geminiUnary,
};

/** Whole streams of so many content chunks; only OpenAI's are paced as well. */
const burstsOf = (chunks: number): Readonly<Record<Api | 'withUsage', Buffer>> => ({
  openai: burstReply(chunks, false),
  withUsage: burstReply(chunks, true),
  anthropic: anthropicBurst(chunks),
  gemini: geminiBurst(chunks),
});

export class Upstream {
  readonly server: Server;
  readonly #pacer = new Pacer();
  #shape: StreamShape = { chunks: 100, delayMs: 0 };
  #bursts = burstsOf(100);

  constructor() {
    this.server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  /** Holds for the streams that begin from now on. */
  shape(shape: StreamShape): void {
    this.#shape = shape;
    this.#bursts = burstsOf(shape.chunks);
  }

  stats(): UpstreamStats {
    return { openStreams: this.#pacer.open };
  }

  #accept(socket: Socket): void {
    const reader = new RequestReader();
    socket.on('data', (data: Buffer) => {
      try {
        for (const request of reader.push(data)) this.#answer(socket, request);
      } catch {
        socket.destroy();
      }
    });
    socket.on('close', () => this.#pacer.remove(socket));
    // A client that leaves in the middle is normal here.
    socket.on('error', () => socket.destroy());
  }

  #answer(socket: Socket, request: UpstreamRequest): void {
    const { api } = request;
    if (api === null) socket.write(emptyListReply);
    else if (!request.stream) socket.write(unaryReplies[api]);
    else if (api !== 'openai' || this.#shape.delayMs === 0) {
      socket.write(this.#bursts[api === 'openai' && request.includeUsage ? 'withUsage' : api]);
    } else {
      socket.write(pacedOpening);
      this.#pacer.add(socket, this.#shape.chunks, this.#shape.delayMs, request.includeUsage);
    }
  }
}
