// The upstream as a process of its own, told by the benchmark what to send.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { serve } from '../lib/ipc.ts';
import { type StreamShape, Upstream, type UpstreamStats } from './server.ts';

export type UpstreamContract = {
  listen: { params: null; result: number };
  shape: { params: StreamShape; result: null };
  stats: { params: null; result: UpstreamStats };
};

const upstream = new Upstream();
serve<UpstreamContract>({
  listen: async () => {
    upstream.server.listen(0, '127.0.0.1', 4096);
    await once(upstream.server, 'listening');
    return (upstream.server.address() as AddressInfo).port;
  },
  shape: (shape) => {
    upstream.shape(shape);
    return null;
  },
  stats: () => upstream.stats(),
});
