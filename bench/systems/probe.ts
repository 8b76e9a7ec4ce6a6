// Loaded into every measured process before its own code (node --import): answers what it has cost so far.

import net from 'node:net';
import { serve } from '../lib/ipc.ts';

export interface Memory {
  /** Bytes. */
  rss: number;
  /** Heap in use and what hangs on it outside (buffers), in bytes. */
  used: number;
}

export type ProbeContract = {
  /** Processor time of all threads since the start, user and system, in microseconds. */
  cpu: { params: null; result: number };
  /** After garbage collection. */
  memory: { params: null; result: Memory };
};

serve<ProbeContract>({
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  memory: async () => {
    const gc = (globalThis as { gc?: () => void }).gc;
    // The second collection frees what finalizers of the first let go.
    for (let i = 0; i < 2; i++) {
      gc?.();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, used: heapUsed + external };
  },
});
// The channel must not keep a process alive that wants to end.
process.channel?.unref();

// For systems that cannot be told to stay off the network.
if (process.env['BENCH_LOOPBACK_ONLY']) {
  const listen = net.Server.prototype.listen;
  net.Server.prototype.listen = function (this: net.Server, ...args: unknown[]) {
    if (typeof args[0] === 'number') {
      const callback = args.find((arg) => typeof arg === 'function');
      return Reflect.apply(listen, this, [{ port: args[0], host: '127.0.0.1' }, callback]);
    }
    return Reflect.apply(listen, this, args);
  } as typeof listen;
}
