// A provider of the OpenAI form that says what a script tells it to.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One message of the conversation as the provider gets it. */
export interface Message {
  readonly role: string;
  readonly content: unknown;
}

/** What the model does in a turn. */
export interface Turn {
  readonly thought?: string;
  readonly text?: string;
  /** Calls of tools, all at once. */
  readonly calls?: readonly { readonly name: string; readonly input: object }[];
  /** Fails with this message and status 400. */
  readonly failure?: string;
}

/** What a model answers to a conversation. */
export type Script = (messages: readonly Message[]) => Turn;

export interface Upstream {
  /** Origin, without a slash at the end. */
  readonly url: string;
  /** What is said from now on. */
  play(script: Script): void;
  /** Requests with tools since the script was set. */
  readonly turns: number;
  close(): void;
}

/** All the text of a message. */
export function textOf({ content }: Message): string {
  if (!Array.isArray(content)) return String(content ?? '');
  return content.map((part: { text?: string }) => part.text ?? '').join('');
}

export async function startUpstream(): Promise<Upstream> {
  let script: Script = () => ({ text: 'OK' });
  let turns = 0;
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    request.on('end', () => {
      const body = JSON.parse(text) as { messages: Message[]; tools?: unknown[]; stream?: boolean };
      // Claude Code asks for titles and the like besides; those requests have no tools.
      const asked = (body.tools?.length ?? 0) > 0;
      if (asked) turns++;
      answer(response, asked ? script(body.messages) : { text: 'OK' }, body.stream === true, turns);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    play(next) {
      script = next;
      turns = 0;
    },
    get turns() {
      return turns;
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 };

function answer(response: ServerResponse, turn: Turn, stream: boolean, number: number): void {
  if (turn.failure !== undefined) {
    response.writeHead(400, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: { message: turn.failure, type: 'invalid_request_error' } }));
    return;
  }
  const finish = turn.calls === undefined ? 'stop' : 'tool_calls';
  const calls = (turn.calls ?? []).map(({ name, input }, index) => ({
    index,
    id: `call_${number}_${index}`,
    type: 'function',
    function: { name, arguments: JSON.stringify(input) },
  }));
  const head = { id: `chatcmpl-${number}`, created: 1, model: 'scripted' };
  if (!stream) {
    const message = { role: 'assistant', content: turn.text ?? null, tool_calls: calls };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({
        ...head,
        object: 'chat.completion',
        choices: [{ index: 0, message, finish_reason: finish }],
        usage,
      }),
    );
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (more: object) =>
    response.write(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', ...more })}\n\n`);
  const say = (delta: object, finish_reason: string | null = null) =>
    send({ choices: [{ index: 0, delta, finish_reason }] });
  say({ role: 'assistant', content: '' });
  for (const piece of turn.thought ?? '') say({ reasoning_content: piece });
  for (const piece of turn.text ?? '') say({ content: piece });
  for (const call of calls) say({ tool_calls: [{ ...call, function: { ...call.function, arguments: '' } }] });
  // The arguments of all calls a character at a time, in turn.
  const longest = Math.max(0, ...calls.map((call) => call.function.arguments.length));
  for (let at = 0; at < longest; at++) {
    for (const { index, function: called } of calls) {
      const piece = called.arguments.charAt(at);
      if (piece !== '') say({ tool_calls: [{ index, function: { arguments: piece } }] });
    }
  }
  say({}, finish);
  send({ choices: [], usage });
  response.end('data: [DONE]\n\n');
}
