import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { countMarkers } from '../../bench/lib/marker.ts';
import { conversation, LARGE, restCall } from '../../bench/lib/requests.ts';
import { FrameReader, frame, postHeaders } from '../../bench/load/frames.ts';
import { loopH2 } from '../../bench/load/load-h2.ts';
import { ReplyReader } from '../../bench/load/reply-reader.ts';
import { burstReply, closing, openingReply, unaryReply } from '../../bench/upstream/replies.ts';
import { RequestReader } from '../../bench/upstream/request-reader.ts';

/** Events of a reply in HTTP chunks. */
function events(reply: Buffer): string[] {
  const body = reply.toString().slice(reply.indexOf('\r\n\r\n') + 4);
  const chunks: string[] = [];
  for (let at = 0; ; ) {
    const lineEnd = body.indexOf('\r\n', at);
    const length = Number.parseInt(body.slice(at, lineEnd), 16);
    if (length === 0) return chunks;
    chunks.push(body.slice(lineEnd + 2, lineEnd + 2 + length));
    at = lineEnd + 2 + length + 2;
  }
}

describe('what the upstream sends', () => {
  it('is a completion for a unary call', () => {
    const reply = JSON.parse(unaryReply.toString().split('\r\n\r\n')[1]!);
    expect(reply).toMatchObject({ object: 'chat.completion', usage: { total_tokens: 314 } });
    expect(countMarkers(unaryReply)).toBe(0);
  });

  it('is a whole stream in a burst: role, marked contents, finish reason, usage when asked for, [DONE]', () => {
    const received = events(burstReply(7, true));
    expect(received.at(-1)).toBe('data: [DONE]\n\n');
    const chunks = received.slice(0, -1).map((event) => {
      expect(event).toMatch(/^data: .*\n\n$/);
      return JSON.parse(event.slice(6));
    });
    expect(chunks[0].choices[0].delta.role).toBe('assistant');
    expect(chunks.slice(1, 8).map((chunk) => chunk.choices[0].delta.content)).toEqual(
      Array.from({ length: 7 }, (_, i) => ` wrd${i}`),
    );
    expect(chunks[8].choices[0].finish_reason).toBe('stop');
    expect(chunks[9]).toMatchObject({ choices: [], usage: { prompt_tokens: 212 } });
    expect(countMarkers(burstReply(7, true))).toBe(7);
  });

  it('has no usage unless asked', () => {
    expect(burstReply(1, false).includes('"usage"')).toBe(false);
    expect(closing(false).includes('"usage"')).toBe(false);
    expect(openingReply.includes('text/event-stream')).toBe(true);
  });
});

describe('what the load sends', () => {
  it('is about 1 KB, or 8 KB', () => {
    expect(JSON.stringify(conversation()).length).toBeGreaterThan(900);
    expect(JSON.stringify(conversation()).length).toBeLessThan(1200);
    expect(JSON.stringify(conversation(LARGE)).length).toBeGreaterThan(7500);
    expect(JSON.stringify(conversation(LARGE)).length).toBeLessThan(9000);
  });

  it('is understood by the upstream at every cut of the bytes', () => {
    const calls = [
      Buffer.from(restCall({ port: 1, model: 'm' }).request),
      Buffer.from(restCall({ port: 1, model: 'm', stream: true }).request),
      Buffer.from('GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n'),
      Buffer.from('POST /v1/messages HTTP/1.1\r\ncontent-length: 15\r\n\r\n{"stream":true}'),
      Buffer.from(
        'POST /v1beta/models/m:streamGenerateContent?alt=sse HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}',
      ),
      Buffer.from(
        'POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n{"stream":true\r\n1\r\n}\r\n0\r\n\r\n',
      ),
    ];
    const expected = [
      { api: 'openai', stream: false, includeUsage: false },
      { api: 'openai', stream: true, includeUsage: true },
      { api: null, stream: false, includeUsage: false },
      { api: 'anthropic', stream: true, includeUsage: false },
      { api: 'gemini', stream: true, includeUsage: false },
      { api: 'openai', stream: true, includeUsage: false },
    ];
    const bytes = Buffer.concat(calls);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = new RequestReader();
      expect([...reader.push(bytes.subarray(0, cut)), ...reader.push(bytes.subarray(cut))]).toEqual(expected);
    }
  });
});

describe('ReplyReader', () => {
  it.each([
    ['with a length', unaryReply],
    ['in chunks', burstReply(3, true)],
    ['in chunks, empty', Buffer.from('HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')],
  ])('finds the end of a reply %s at every cut of the bytes', (_name, reply) => {
    for (let cut = 1; cut < reply.length; cut++) {
      const reader = new ReplyReader();
      expect(reader.push(reply.subarray(0, cut))).toBe(false);
      expect(reader.push(reply.subarray(cut))).toBe(true);
      expect(reader.status).toBe(Number(reply.toString('latin1', 9, 12)));
      expect(reader.bytes).toBe(reply.length);
    }
  });

  it('keeps enough of the end to see how a stream ended', () => {
    const reply = burstReply(3, true);
    const reader = new ReplyReader();
    reader.push(reply.subarray(0, -5));
    reader.push(reply.subarray(-5));
    expect(reader.tail.includes('[DONE]')).toBe(true);
  });
});

describe('HTTP/2 load', () => {
  it('reads frames at every cut of the bytes', () => {
    const bytes = Buffer.concat([frame(0, 1, 3, Buffer.from('abc')), frame(4, 0, 0, Buffer.alloc(0))]);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const seen: number[][] = [];
      const reader = new FrameReader();
      const onFrame = (...args: number[]): unknown => seen.push(args);
      reader.push(bytes.subarray(0, cut), onFrame);
      reader.push(bytes.subarray(cut), onFrame);
      expect(seen).toEqual([
        [0, 1, 3],
        [4, 0, 0],
      ]);
    }
  });

  it('is understood by a real server', async () => {
    const paths = new Set<string>();
    const server = http2.createServer((request, response) => {
      paths.add(`${request.method} ${request.url} ${request.headers['content-type']} ${request.headers.te}`);
      request.resume();
      request.on('end', () => {
        response.addTrailers({ 'grpc-status': '0' });
        response.end('answer');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const headers = { 'content-type': 'application/grpc+proto', te: 'trailers' };
    const call = { port, request: Buffer.alloc(100), h2: { path: '/a.B/C', headers } };
    const result = await loopH2({ call, concurrency: 8, durationMs: 100, rate: 0 });
    server.close();
    expect(result.failed).toBe(0);
    expect(result.done).toBeGreaterThan(8);
    expect([...paths]).toEqual(['POST /a.B/C application/grpc+proto trailers']);
    expect(() => postHeaders('a', 'x'.repeat(200), {})).toThrow('too long');
  });
});
