// The floor: the least a proxy on Node can do that understands what it passes on. It parses and stringifies the
// request, the reply and every event of a stream, and does nothing else.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { callStream, callUnary, upstreamTarget } from './upstream-call.ts';

interface ChatRequest {
  model: string;
  stream?: boolean;
}

const target = upstreamTarget(process.env['UPSTREAM_URL'] ?? '');

const server = createServer((request, response) => {
  if (request.method !== 'POST') {
    response.end('ok');
    return;
  }
  const parts: Buffer[] = [];
  request.on('data', (data: Buffer) => parts.push(data));
  request.on('end', () => chat(request, response, parts));
});
server.listen(Number(process.env['PORT']), '127.0.0.1', 4096);

function chat(_request: IncomingMessage, response: ServerResponse, parts: Buffer[]): void {
  const body = JSON.parse((parts.length === 1 ? parts[0]! : Buffer.concat(parts)).toString()) as ChatRequest;
  body.model = body.model.slice(body.model.indexOf('/') + 1);
  const upstreamBody = JSON.stringify(body);
  if (body.stream) stream(response, upstreamBody);
  else unary(response, upstreamBody);
}

function unary(response: ServerResponse, body: string): void {
  callUnary(target, body, (error, reply) => {
    if (error) return fail(response, error);
    const text = JSON.stringify(reply);
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    });
    response.end(text);
  });
}

function stream(response: ServerResponse, body: string): void {
  const abort = callStream(target, body, {
    onEvents: (events) => {
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
      let text = '';
      for (const event of events) text += `data: ${JSON.stringify(event)}\n\n`;
      response.write(text);
    },
    onEnd: () => response.end('data: [DONE]\n\n'),
    onError: (error) => fail(response, error),
  });
  response.on('close', () => {
    if (!response.writableEnded) abort();
  });
}

function fail(response: ServerResponse, error: Error): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(502).end(error.message);
}
