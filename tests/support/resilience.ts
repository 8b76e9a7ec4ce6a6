import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { OwnParts } from '../../src/context/gateway.ts';
import { chunked, type ReceivedRequest, STREAM_HEAD, startUpstream } from '../http/support/upstream.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { type RunningGateway, startGateway } from './gateway.ts';

/** What a provider does with a request. */
export type Script = (request: ReceivedRequest, stream: boolean) => void;

/** A provider of OpenAI's form behind a proxy that breaks things. */
export interface Place {
  readonly proxy: FaultProxy;
  /** Bodies of the requests so far. */
  readonly asked: Record<string, unknown>[];
  /** The latest connections. */
  readonly requests: ReceivedRequest[];
  script: Script;
}

export interface Rig extends RunningGateway {
  readonly east: Place;
  readonly west: Place;
  /** Both are well again, and nothing was asked. */
  heal(): void;
}

const chunk = (delta: object, finish: string | null = null): string =>
  chunked(
    `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`,
  );

/** A whole answer with a status. */
export function jsonReply(body: unknown, status = '200 OK', headers = ''): string {
  const text = JSON.stringify(body);
  return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\n${headers}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}

/** The beginning of a stream, with the first word. */
export const begun = (text: string): string =>
  STREAM_HEAD + chunk({ role: 'assistant', content: '' }) + chunk({ content: text });

/** Says a text, in the form that was asked for. */
export const says =
  (text: string): Script =>
  ({ socket, body }, stream) => {
    if (stream) {
      socket.write(`${begun(text)}${chunk({}, 'stop')}${chunked('data: [DONE]\n\n')}0\r\n\r\n`);
      return;
    }
    if (body.includes('"input"')) {
      const data = [{ object: 'embedding', index: 0, embedding: [1, 2] }];
      socket.write(
        jsonReply({ object: 'list', data, model: 'm', usage: { prompt_tokens: 1, total_tokens: 1 } }),
      );
      return;
    }
    const message = { role: 'assistant', content: text };
    socket.write(
      jsonReply({
        id: 'c1',
        object: 'chat.completion',
        created: 1,
        model: 'm',
        choices: [{ index: 0, message, finish_reason: 'stop' }],
      }),
    );
  };

/** Fails with a status. */
export const fails =
  (status: string, headers = '', error: object = { message: 'Oops' }): Script =>
  ({ socket }) =>
    void socket.write(jsonReply({ error }, status, headers));

/** An error inside a good answer, before its first output. */
export const errsInside: Script = ({ socket }, stream) => {
  const error = { error: { message: 'Overloaded', code: 503 } };
  socket.write(
    stream ? `${STREAM_HEAD}${chunked(`data: ${JSON.stringify(error)}\n\n`)}0\r\n\r\n` : jsonReply(error),
  );
};

async function startPlace(name: string): Promise<Place & { stop(): void }> {
  const upstream = await startUpstream();
  const proxy = await startFaultProxy(upstream.port);
  const place = {
    proxy,
    asked: [] as Record<string, unknown>[],
    requests: [] as ReceivedRequest[],
    script: says(name),
    stop() {
      proxy.close();
      upstream.close();
    },
  };
  upstream.answerAll((request) => {
    const body = JSON.parse(request.body) as Record<string, unknown>;
    place.asked.push(body);
    place.requests.push(request);
    place.script(request, body['stream'] === true);
  });
  return place;
}

/** A gateway in front of two providers, `east` and `west`. @param yaml more of the configuration file */
export async function startRig(
  yaml = '',
  env: Record<string, string> = {},
  parts: OwnParts = {},
): Promise<Rig> {
  const [east, west] = await Promise.all([startPlace('east'), startPlace('west')]);
  const file = path.join(tmpdir(), `llm-gateway-test-${randomUUID()}.yaml`);
  const provider = (name: string, { proxy }: Place): string =>
    `  ${name}:\n    base_url: ${proxy.origin}/v1\n    embeddings: float\n`;
  writeFileSync(file, `providers:\n${provider('east', east)}${provider('west', west)}${yaml}`);
  const all = {
    LLM_GATEWAY_CONFIG: file,
    LLM_GATEWAY_RETRY_MAX_ATTEMPTS: '3',
    LLM_GATEWAY_UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: '300ms',
    LLM_GATEWAY_UPSTREAM_IDLE_TIMEOUT_SECONDS: '300ms',
    ...env,
  };
  const gateway = await startGateway(all, parts);
  return {
    ...gateway,
    east,
    west,
    heal() {
      for (const [name, place] of [['east', east] as const, ['west', west] as const]) {
        place.proxy.set({ kind: 'pass' });
        place.script = says(name);
        place.asked.length = 0;
        place.requests.length = 0;
      }
    },
    async stop() {
      await gateway.stop();
      east.stop();
      west.stop();
      rmSync(file, { force: true });
    },
  };
}

/** A chat call over REST. */
export const ask = (
  { url }: { readonly url: string },
  body: Record<string, unknown>,
  headers: Record<string, string> = {},
): Promise<Response> =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], ...body }),
  });
