// Time to the first bytes of a reply, of one call at a time.

import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ReplyReader } from './reply-reader.ts';
import type { Call, LatencyParams } from './types.ts';

/** Interleaves the calls sample by sample, so that all meet the same noise. */
export async function measureLatency(params: LatencyParams): Promise<number[][]> {
  const probes = params.calls.map((call) => new LatencyProbe(call, params.firstBytes));
  try {
    const results: number[][] = params.calls.map(() => []);
    for (let sample = 0; sample < params.samples; sample++) {
      for (const [i, probe] of probes.entries()) {
        results[i]!.push(await probe.measure());
        await delay(params.gapMs);
      }
    }
    return results;
  } finally {
    for (const probe of probes) probe.close();
  }
}

class LatencyProbe {
  readonly #call: Call;
  readonly #firstBytes: string;
  #socket: Socket | undefined;

  constructor(call: Call, firstBytes: string) {
    this.#call = call;
    this.#firstBytes = firstBytes;
  }

  close(): void {
    this.#socket?.destroy();
  }

  /** Resolves when the reply is complete, with the time to its first bytes; rejects after 5 s. */
  async measure(): Promise<number> {
    const socket = await this.#connection();
    const reader = new ReplyReader();
    return new Promise((resolve, reject) => {
      let first = -1;
      const started = performance.now();
      const settle = (error?: Error): void => {
        clearTimeout(timer);
        socket.off('data', onData).off('close', onClose);
        if (error) {
          socket.destroy();
          reject(error);
        } else resolve(first);
      };
      const onData = (data: Buffer): void => {
        if (first < 0 && data.includes(this.#firstBytes)) first = performance.now() - started;
        if (!reader.push(data)) return;
        if (reader.status === 200 && first >= 0) settle();
        else settle(new Error(`bad reply, status ${reader.status}`));
      };
      const onClose = (): void => settle(new Error('connection closed'));
      const timer = setTimeout(() => settle(new Error('no reply in 5 s')), 5000);
      socket.on('data', onData).on('close', onClose);
      socket.write(this.#call.request);
    });
  }

  async #connection(): Promise<Socket> {
    if (this.#socket && !this.#socket.destroyed) return this.#socket;
    const socket = connect({ port: this.#call.port, host: '127.0.0.1', noDelay: true });
    socket.on('error', () => socket.destroy());
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('close', () => reject(new Error('no connection')));
    });
    this.#socket = socket;
    return socket;
  }
}
