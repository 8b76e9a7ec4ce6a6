// Load over HTTP/2 (gRPC): frames prepared once, only the stream number changes.

import http2 from 'node:http2';
import { connect, type Socket } from 'node:net';
import { countMarkers } from '../lib/marker.ts';
import {
  clientPreface,
  FLAG,
  FRAME,
  FrameReader,
  postHeaders,
  requestFrames,
  setStream,
  settingsAck,
} from './frames.ts';
import { Schedule } from './schedule.ts';
import type { Call, HoldParams, LoopParams, LoopResult, OnceResult } from './types.ts';

/** Several, as several clients would have; also keeps what is in flight on one below its flow-control window. */
const CONNECTIONS = 4;
/** Half of the window that every server grants; it opens the window again when half is used. */
const MAX_IN_FLIGHT = 32_000;

interface Session {
  socket: Socket;
  start: () => void;
}

interface SessionEvents {
  onStreamEnd: (good: boolean) => void;
  onData?: (data: Buffer) => void;
  onClose: () => void;
}

/** A connection on which `streams` calls start at once; further ones by `start`. */
function openSession(call: Call, streams: number, events: SessionEvents): Session {
  if (!call.h2) throw new Error('not a call over HTTP/2');
  if (streams * call.request.length > MAX_IN_FLIGHT)
    throw new Error('requests exceed the flow-control window');
  const headers = postHeaders(`127.0.0.1:${call.port}`, call.h2.path, call.h2.headers);
  const prepared = requestFrames(headers, call.request);
  const reader = new FrameReader();
  const hasData = new Set<number>();
  let nextStream = 1;
  const socket = connect({ port: call.port, host: '127.0.0.1', noDelay: true });
  const start = (): void => {
    // A copy: the socket may hold on to what it was given before.
    const request = Buffer.from(prepared);
    setStream(request, headers.length, nextStream);
    nextStream += 2;
    socket.write(request);
  };
  socket.on('connect', () => {
    socket.write(clientPreface());
    for (let i = 0; i < streams; i++) start();
  });
  socket.on('data', (data: Buffer) => {
    events.onData?.(data);
    reader.push(data, (type, flags, stream) => {
      if (type === FRAME.data) {
        hasData.add(stream);
        if (flags & FLAG.endStream) end(stream, false);
      } else if (type === FRAME.headers) {
        // Trailers without any data before them carry an error.
        if (flags & FLAG.endStream) end(stream, hasData.has(stream));
      } else if (type === FRAME.rstStream) end(stream, false);
      else if (type === FRAME.settings && !(flags & FLAG.ack)) socket.write(settingsAck);
      else if (type === FRAME.goaway) socket.destroy();
    });
  });
  const end = (stream: number, good: boolean): void => {
    hasData.delete(stream);
    events.onStreamEnd(good);
  };
  socket.on('error', () => socket.destroy());
  socket.on('close', events.onClose);
  return { socket, start };
}

export function loopH2({ call, concurrency, durationMs, rate }: LoopParams): Promise<LoopResult> {
  const started = performance.now();
  const schedule = new Schedule(rate, started + durationMs);
  const result: LoopResult = { done: 0, failed: 0, bytes: 0, elapsedMs: 0 };
  const run = (streams: number): Promise<void> =>
    new Promise((resolve) => {
      let open = streams;
      const session = openSession(call, streams, {
        onStreamEnd: (good) => {
          if (good) result.done++;
          else result.failed++;
          schedule.next((due) => {
            if (due && !session.socket.destroyed) session.start();
            else if (--open === 0) session.socket.destroy();
          });
        },
        onData: (data) => {
          result.bytes += data.length;
        },
        onClose: () => {
          result.failed += open;
          resolve();
        },
      });
    });
  return Promise.all(Array.from({ length: CONNECTIONS }, () => run(concurrency / CONNECTIONS))).then(() => ({
    ...result,
    elapsedMs: performance.now() - started,
  }));
}

/** Opens streams; `onMarkers` hears of delivered chunks, `onFirst` about once for every stream. */
export function holdH2(
  params: HoldParams,
  onMarkers: (count: number) => void,
  onFirst: () => void,
): Socket[] {
  const share = Math.ceil(params.streams / CONNECTIONS);
  return Array.from({ length: CONNECTIONS }, () => {
    let firsts = share;
    const { socket } = openSession(params.call, share, {
      onStreamEnd: () => {},
      onData: (data) => {
        const count = countMarkers(data);
        if (count === 0) return;
        onMarkers(count);
        for (let i = 0; i < count && firsts > 0; i++, firsts--) onFirst();
      },
      onClose: () => {},
    });
    return socket;
  });
}

/** Through node's own client, which knows trailers; the body ends with a line `grpc-status: N`. */
export function onceH2(call: Call): Promise<OnceResult> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(`http://127.0.0.1:${call.port}`);
    session.on('error', reject);
    session.setTimeout(10_000, () => session.destroy(new Error('no reply in 10 s')));
    const stream = session.request({ ':method': 'POST', ':path': call.h2?.path ?? '/', ...call.h2?.headers });
    const parts: Buffer[] = [];
    let status = 0;
    let trailers: http2.IncomingHttpHeaders = {};
    stream.on('response', (head) => {
      status = head[':status'] ?? 0;
      trailers = head;
    });
    stream.on('trailers', (received) => {
      trailers = received;
    });
    stream.on('data', (data: Buffer) => parts.push(data));
    stream.on('error', reject);
    stream.on('end', () => {
      parts.push(Buffer.from(`\ngrpc-status: ${trailers['grpc-status']} ${trailers['grpc-message'] ?? ''}`));
      session.close();
      resolve({ status, body: Buffer.concat(parts) });
    });
    stream.end(call.request);
  });
}
