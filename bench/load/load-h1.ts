// Load over HTTP/1.1: raw TCP, prepared requests, one request at a time on each connection.

import { connect, type Socket } from 'node:net';
import { countMarkers } from '../lib/marker.ts';
import { ReplyReader } from './reply-reader.ts';
import { Schedule } from './schedule.ts';
import type { Call, HoldParams, LoopParams, LoopResult, OnceResult } from './types.ts';

let calls = 0;

/** The request of the next call. */
function nextRequest({ request, varies }: Call): Uint8Array {
  if (varies !== undefined)
    Buffer.from(request.buffer, request.byteOffset).write(String(++calls).padStart(10, '0'), varies);
  return request;
}

export function loopH1({ call, concurrency, durationMs, rate }: LoopParams): Promise<LoopResult> {
  const started = performance.now();
  const until = started + durationMs;
  const schedule = new Schedule(rate, until);
  const result: LoopResult = { done: 0, failed: 0, bytes: 0, elapsedMs: 0 };
  const worker = (finished: () => void): void => {
    const reader = new ReplyReader();
    const socket = connect({ port: call.port, host: '127.0.0.1', noDelay: true });
    let state: 'connecting' | 'idle' | 'calling' | 'over' = 'connecting';
    const start = (due: boolean): void => {
      // A socket that was closed meanwhile has a successor.
      if (socket.destroyed) return;
      state = due ? 'calling' : 'over';
      if (due) socket.write(nextRequest(call));
      else socket.destroy();
    };
    const count = (good: boolean): void => {
      if (good) result.done++;
      else result.failed++;
      result.bytes += reader.bytes;
      reader.reset();
      state = 'idle';
    };
    socket.on('connect', () => {
      state = 'idle';
      schedule.next(start);
    });
    socket.on('data', (data: Buffer) => {
      if (!reader.push(data)) return;
      count(isGood(call, reader));
      schedule.next(start);
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      // Closed with a reply outstanding; a new connection carries on.
      if (state === 'calling') count(reader.endsWithConnection && isGood(call, reader));
      else if (state === 'connecting') result.failed++;
      if (state !== 'over' && performance.now() < until) worker(finished);
      else finished();
    });
  };
  return new Promise((resolve) => {
    let running = concurrency;
    const finished = (): void => {
      if (--running > 0) return;
      result.elapsedMs = performance.now() - started;
      resolve(result);
    };
    for (let i = 0; i < concurrency; i++) worker(finished);
  });
}

function isGood(call: Call, reader: ReplyReader): boolean {
  if (reader.status !== 200) return false;
  if (call.mustEndWith !== undefined && !reader.tail.includes(call.mustEndWith)) return false;
  return call.mustNotEndWith === undefined || !reader.tail.includes(call.mustNotEndWith);
}

/** Opens streams; `onMarkers` hears of delivered chunks, `onFirst` once for every stream. */
export function holdH1(
  params: HoldParams,
  onMarkers: (count: number) => void,
  onFirst: () => void,
): Socket[] {
  return Array.from({ length: params.streams }, () => {
    const socket = connect({ port: params.call.port, host: '127.0.0.1', noDelay: true });
    let first = true;
    socket.on('connect', () => socket.write(params.call.request));
    socket.on('data', (data: Buffer) => {
      const count = countMarkers(data);
      if (count === 0) return;
      onMarkers(count);
      if (first) onFirst();
      first = false;
    });
    socket.on('error', () => socket.destroy());
    return socket;
  });
}

/** The whole reply, chunked encoding and all, is in `body`. */
export function onceH1(call: Call): Promise<OnceResult> {
  return new Promise((resolve, reject) => {
    const reader = new ReplyReader();
    const parts: Buffer[] = [];
    const socket = connect({ port: call.port, host: '127.0.0.1', noDelay: true });
    const done = (): void => {
      resolve({ status: reader.status, body: Buffer.concat(parts) });
      socket.destroy();
    };
    socket.setTimeout(10_000, () => socket.destroy(new Error('no reply in 10 s')));
    socket.on('connect', () => socket.write(call.request));
    socket.on('data', (data: Buffer) => {
      parts.push(data);
      if (reader.push(data)) done();
    });
    socket.on('error', reject);
    socket.on('close', () => (reader.endsWithConnection ? done() : reject(new Error('connection closed'))));
  });
}
