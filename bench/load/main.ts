// The load generator as a process of its own.

import type { Socket } from 'node:net';
import { serve } from '../lib/ipc.ts';
import { measureLatency } from './latency.ts';
import { holdH1, loopH1, onceH1 } from './load-h1.ts';
import { holdH2, loopH2, onceH2 } from './load-h2.ts';
import type { HoldParams, LoadContract } from './types.ts';

/** How long held streams may take to open, in milliseconds. */
const OPEN_TIMEOUT_MS = 10_000;

let held: Socket[] = [];
let delivered = 0;

serve<LoadContract>({
  once: (call) => (call.h2 ? onceH2(call) : onceH1(call)),
  loop: (params) => (params.call.h2 ? loopH2(params) : loopH1(params)),
  hold,
  delivered: () => delivered,
  release: () => {
    for (const socket of held) socket.destroy();
    held = [];
    return null;
  },
  latency: measureLatency,
});

function hold(params: HoldParams): Promise<number> {
  delivered = 0;
  return new Promise((resolve) => {
    let open = 0;
    const timer = setTimeout(() => resolve(open), OPEN_TIMEOUT_MS);
    const onMarkers = (count: number): void => {
      delivered += count;
    };
    const onFirst = (): void => {
      if (++open < params.streams) return;
      clearTimeout(timer);
      resolve(open);
    };
    const sockets = params.call.h2 ? holdH2(params, onMarkers, onFirst) : holdH1(params, onMarkers, onFirst);
    held.push(...sockets);
  });
}
