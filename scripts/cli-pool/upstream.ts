// A provider of the OpenAI form that streams words, slowly where the prompt says so, and remembers what it was asked.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Upstream {
  /** Origin, without a slash at the end. */
  readonly url: string;
  /** Bodies of all requests, as texts. */
  readonly asked: readonly string[];
  /** Requests whose clients left before the end. */
  readonly left: number;
  close(): void;
}

const words = ['Nothing ', 'happens ', 'here, ', 'and ', 'slowly.'];
const slowMs = 150;

export async function startUpstream(): Promise<Upstream> {
  const asked: string[] = [];
  let left = 0;
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    request.on('end', () => {
      asked.push(text);
      const { stream } = JSON.parse(text) as { stream?: boolean };
      const [repeats, pauseMs] = text.includes('take your time') ? [20, slowMs] : [1, 0];
      const said = Array.from({ length: repeats }, () => words).flat();
      const usage = { prompt_tokens: 100, completion_tokens: said.length, total_tokens: 100 + said.length };
      const head = {
        id: `chatcmpl-${asked.length}`,
        object: 'chat.completion',
        created: 0,
        model: 'scripted',
      };
      if (stream !== true) {
        const message = { role: 'assistant', content: said.join('') };
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(
          JSON.stringify({ ...head, choices: [{ index: 0, message, finish_reason: 'stop' }], usage }),
        );
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const send = (chunk: object): void =>
        void response.write(
          `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', ...chunk })}\n\n`,
        );
      response.on('close', () => {
        if (!response.writableEnded) left++;
      });
      let at = 0;
      const next = (): void => {
        if (response.destroyed) return;
        const content = said[at++];
        if (content === undefined) {
          send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
          send({ choices: [], usage });
          response.end('data: [DONE]\n\n');
          return;
        }
        send({ choices: [{ index: 0, delta: { role: 'assistant', content }, finish_reason: null }] });
        if (pauseMs > 0) setTimeout(next, pauseMs);
        else next();
      };
      next();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    get left() {
      return left;
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
