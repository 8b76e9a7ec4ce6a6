import http, { type Server as HttpServer } from 'node:http';
import http2, {
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import https from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext, type TLSSocket } from 'node:tls';
import { Http2Sessions } from './http2-sessions.ts';
import type { PortLimits } from './limits.ts';
import { sniffHttp2 } from './sniff.ts';
import type { RequestHandler } from './types.ts';

/** A certificate chain and its private key, in PEM. */
export interface Certificate {
  cert: string | Buffer;
  key: string | Buffer;
}

/** The listening server of a port with everything connected to it. */
export interface Listener {
  readonly server: HttpServer;
  /** Every open connection, in TLS handshake and undecided ones included. */
  readonly sockets: ReadonlySet<Socket>;
  /** Bytes that went over all connections so far. */
  traffic(): { readonly received: number; readonly sent: number };
  /** Those, of a cleartext port, that haven't said which protocol they speak. */
  readonly undecided: ReadonlySet<Socket>;
  readonly sessions: Http2Sessions;
  /** New TLS connections see this certificate. @throws, keeping the old, if it is wrong or TLS is off */
  reloadTls(certificate: Certificate): void;
}

/** RFC 9113 needs TLS 1.2 at least. */
const MIN_TLS = 'TLSv1.2';
/** MB. Node refuses new streams of a session that holds more; its 10 is less than one large upload. */
const MAX_SESSION_MEMORY_MB = 64;

/**
 * One HTTP/1 server owns the listening socket, with TLS or without, and gives away the connections that speak HTTP/2.
 * That way Node's checks of HTTP/1 timeouts, which are tied to the listening server, keep working, for TLS too
 * (http2.createSecureServer's HTTP/1 fallback would serve, but is a second arrangement to drain and to test).
 */
export function createListener(
  handler: RequestHandler,
  limits: PortLimits,
  certificate?: Certificate,
): Listener {
  const sockets = new Set<Socket>();
  const closed = { received: 0, sent: 0 };
  const undecided = new Set<Socket>();
  const sessions = new Http2Sessions(limits);
  const server = certificate
    ? https.createServer({ ...http1Options(limits), ...tlsOptions(limits, certificate) })
    : http.createServer(http1Options(limits));
  const http2Server = createHttp2Server(limits, sessions);
  server.on('request', handler as http.RequestListener);
  http2Server.on('request', handler as (req: Http2ServerRequest, res: Http2ServerResponse) => void);
  if (limits.maxConnections !== Number.POSITIVE_INFINITY) server.maxConnections = limits.maxConnections;

  const opened = certificate ? 'secureConnection' : 'connection';
  const serveHttp1 = server.listeners(opened)[0] as (this: HttpServer, socket: Socket) => void;
  server.removeListener(opened, serveHttp1);
  const serve = (socket: Socket, isHttp2: boolean) => {
    if (!isHttp2) {
      serveHttp1.call(server, socket);
      socket.resume();
      return;
    }
    // The HTTP/1 server keeps half-closed connections writable; a half-closed HTTP/2 client has left.
    socket.allowHalfOpen = false;
    http2Server.emit('connection', socket);
  };

  server.prependListener('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      closed.received += socket.bytesRead;
      closed.sent += socket.bytesWritten;
      undecided.delete(socket);
    });
    socket.on('error', ignore);
  });
  if (certificate) {
    server.on('secureConnection', (socket: TLSSocket) => {
      socket.on('error', ignore);
      serve(socket, socket.alpnProtocol === 'h2');
    });
  } else {
    server.on('connection', (socket: Socket) => {
      undecided.add(socket);
      sniffHttp2(socket, limits.sniffTimeoutMs, (isHttp2) => {
        undecided.delete(socket);
        serve(socket, isHttp2);
      });
    });
  }

  return {
    server,
    sockets,
    traffic() {
      let { received, sent } = closed;
      for (const { bytesRead, bytesWritten } of sockets) {
        received += bytesRead;
        sent += bytesWritten;
      }
      return { received, sent };
    },
    undecided,
    sessions,
    reloadTls(next) {
      if (!(server instanceof https.Server)) throw new Error('This port was opened without TLS');
      // Built once to find what is wrong before the server forgets the certificate it has.
      createSecureContext({ ...next, minVersion: MIN_TLS });
      server.setSecureContext({ ...next, minVersion: MIN_TLS });
    },
  };
}

function createHttp2Server(limits: PortLimits, sessions: Http2Sessions): Http2Server {
  const server = http2.createServer({
    maxSessionMemory: MAX_SESSION_MEMORY_MB,
    settings: {
      initialWindowSize: limits.http2StreamWindowBytes,
      maxConcurrentStreams: limits.maxConcurrentStreams,
      maxHeaderListSize: limits.maxHeaderBytes,
    },
  });
  let socket: Socket;
  server.prependListener('connection', (connected: Socket) => {
    socket = connected;
  });
  // Emitted within the emission of `connection`, hence about the same socket.
  server.on('session', (session: ServerHttp2Session) => sessions.add(session, socket));
  return server;
}

function http1Options(limits: PortLimits): http.ServerOptions {
  return {
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: limits.tcpKeepAliveDelayMs,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // Node looks for expired requests only so often; its 30 s would double the shorter timeouts.
    connectionsCheckingInterval: checkInterval(limits.headersTimeoutMs),
    maxHeaderSize: limits.maxHeaderBytes,
    // Refused where a body can say why.
    requireHostHeader: false,
  };
}

function tlsOptions(limits: PortLimits, certificate: Certificate): https.ServerOptions {
  return {
    ...certificate,
    ALPNProtocols: ['h2', 'http/1.1'],
    minVersion: MIN_TLS,
    handshakeTimeout: limits.sniffTimeoutMs,
  };
}

/** How often to look whether a timeout has passed: late by a quarter at most, and never busy with it. */
export function checkInterval(timeoutMs: number): number {
  return Math.max(10, Math.min(5_000, Math.ceil(timeoutMs / 4)));
}

function ignore(): void {}
