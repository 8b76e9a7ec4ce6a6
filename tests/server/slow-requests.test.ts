import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { Exchanges } from '../../src/server/exchanges.ts';
import { endSlowRequests } from '../../src/server/slow-requests.ts';
import type { Request, Response } from '../../src/server/types.ts';
import { until } from '../support/redis.ts';

test('a slow request is ended, whatever has come and gone since it came', async () => {
  const exchanges = new Exchanges();
  const server = http2.createServer((req, res) => {
    exchanges.start(req as Request, res as Response, true, () => {});
    if (req.url === '/whole') res.end('ok');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  try {
    const open = async (path: string, end: boolean) => {
      const { size } = exchanges.open;
      const stream = client.request({ ':path': path, ':method': 'POST' }, { endStream: end });
      await until(() => exchanges.open.size > size || stream.destroyed);
      return stream;
    };
    const first = await open('/first', false);
    const slow = await open('/slow', false);
    const answered = once(slow, 'response');
    const began = performance.now();
    await until(() => performance.now() - began > 60);
    const young = await open('/young', false);
    // The last one takes the place of the one that has gone.
    first.close();
    await until(() => exchanges.open.size === 2);
    endSlowRequests(exchanges, 50);
    const [head] = (await answered) as [http2.IncomingHttpHeaders];
    expect(head[':status']).toBe(408);
    expect(young.destroyed).toBe(false);
  } finally {
    client.destroy();
    server.close();
  }
});
