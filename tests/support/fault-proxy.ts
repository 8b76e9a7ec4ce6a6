import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';

/** What becomes of a connection. Bytes are those of the answers. */
export type Fault =
  | { readonly kind: 'pass' }
  /** It is reset as soon as it is made. */
  | { readonly kind: 'refuse' }
  /** Nothing of an answer passes, and nothing ends. */
  | { readonly kind: 'silent' }
  /** Answers come so much later, in milliseconds. */
  | { readonly kind: 'late'; readonly ms: number }
  /** After so many bytes it is reset. */
  | { readonly kind: 'reset'; readonly after: number }
  /** After so many bytes nothing comes any more. */
  | { readonly kind: 'stall'; readonly after: number };

export interface FaultProxy {
  readonly origin: string;
  /** For connections from now on; those of before are closed. */
  set(fault: Fault): void;
  /** Connections so far. */
  connections(): number;
  /** Connections that are open. */
  open(): number;
  close(): void;
}

/** A TCP proxy on loopback that breaks what passes it. */
export async function startFaultProxy(upstreamPort: number): Promise<FaultProxy> {
  let fault: Fault = { kind: 'pass' };
  let count = 0;
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  };
  const server = net.createServer((client) => {
    count++;
    keep(client);
    const own = fault;
    if (own.kind === 'refuse') {
      client.resetAndDestroy();
      return;
    }
    const upstream = net.connect(upstreamPort, '127.0.0.1');
    keep(upstream);
    client.on('data', (bytes) => upstream.write(bytes));
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.end());
    let passed = 0;
    upstream.on('data', (bytes: Buffer) => {
      switch (own.kind) {
        case 'pass':
          client.write(bytes);
          return;
        case 'silent':
          return;
        case 'late':
          setTimeout(() => client.write(bytes), own.ms);
          return;
        default: {
          const part = bytes.subarray(0, Math.max(0, own.after - passed));
          passed += bytes.length;
          const broken = passed > own.after && own.kind === 'reset';
          if (part.length > 0)
            client.write(part, () => broken && setImmediate(() => client.resetAndDestroy()));
          else if (broken) client.resetAndDestroy();
        }
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    set(next) {
      fault = next;
      for (const socket of sockets) socket.destroy();
    },
    connections: () => count,
    open: () => sockets.size,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
