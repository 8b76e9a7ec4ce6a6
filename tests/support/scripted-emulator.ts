import { once } from 'node:events';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { ChatCompletionRequest, FixtureResponse } from '@copilotkit/aimock';
import { type EmulatedGateway, emulated, startEmulated } from './emulator.ts';

/** What a model says next: something, or something that depends on what it was asked. */
export type Reaction =
  | FixtureResponse
  | ((asked: ChatCompletionRequest) => FixtureResponse | Promise<FixtureResponse>);

/** Models of emulated providers that have no Responses API; what they say is up to the test. */
export const withoutResponses = [
  ['anthropic', emulated.anthropic],
  ['google', emulated.google],
  ['ollama', emulated.ollama],
  ['bedrock', emulated.bedrock],
] as const;

export interface ScriptedGateway extends EmulatedGateway {
  /** What the models do next, whichever is asked; when nothing is left they say "done". */
  script: Reaction[];
  /** What they were asked, in order, as the emulator understood it: in the form of chat completions, whatever the provider's own. */
  readonly asked: ChatCompletionRequest[];
  /** The bodies of those requests as they came, each in its provider's own form. */
  readonly bodies: string[];
}

/** A gateway in front of emulated providers that follow a script. */
export async function startScripted(env: Record<string, string> = {}): Promise<ScriptedGateway> {
  const bodies: string[] = [];
  let target = '';
  const relay = await startRelay(() => target, bodies);
  const origin = `http://127.0.0.1:${(relay.address() as AddressInfo).port}`;
  const emulator = await startEmulated({
    LLM_GATEWAY_OPENAI_BASE_URL: `${origin}/v1`,
    LLM_GATEWAY_ANTHROPIC_BASE_URL: origin,
    LLM_GATEWAY_GOOGLE_BASE_URL: `${origin}/v1beta`,
    LLM_GATEWAY_OLLAMA_BASE_URL: origin,
    LLM_GATEWAY_BEDROCK_BASE_URL: origin,
    ...env,
  });
  target = emulator.mock.url;
  const gateway: ScriptedGateway = {
    ...emulator,
    script: [],
    asked: [],
    bodies,
    async stop() {
      await emulator.stop();
      relay.close();
      relay.closeAllConnections();
    },
  };
  emulator.mock.on({ predicate: () => true }, (asked) => {
    gateway.asked.push(structuredClone(asked));
    const next = gateway.script.shift() ?? { content: 'done' };
    return typeof next === 'function' ? next(asked) : next;
  });
  return gateway;
}

/** Passes everything on, and keeps what was said to models. */
async function startRelay(target: () => string, bodies: string[]): Promise<Server> {
  const relay = createServer(async (incoming, outgoing) => {
    const { method, url, headers } = incoming;
    try {
      const body = await buffer(incoming);
      if (method === 'POST' && /messages|chat|enerateContent|converse/.test(String(url)))
        bodies.push(`${body}`);
      const further = httpRequest(`${target()}${url}`, { method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      });
      further.on('error', () => outgoing.destroy());
      outgoing.on('close', () => further.destroy());
      further.end(body);
    } catch {
      outgoing.destroy();
    }
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  return relay;
}

/** The text of a message that a provider got. */
export function textOf({ content }: ChatCompletionRequest['messages'][number]): string {
  return typeof content === 'string' ? content : (content ?? []).map(({ text }) => text ?? '').join('');
}

/** A conversation in short: who said what. Calls are "> name", results "< text"; instructions are left out. */
export function storyOf({ messages }: ChatCompletionRequest): string[] {
  return messages.flatMap((message) => {
    const { role, tool_calls: calls = [] } = message;
    if (role === 'system') return [];
    const text = textOf(message);
    const said = text === '' ? [] : [role === 'tool' ? `< ${resultOf(text)}` : `${role}: ${text}`];
    return [...said, ...calls.map(({ function: { name } }) => `> ${name}`)];
  });
}

/** Gemini takes results as objects only. */
function resultOf(text: string): string {
  const [, result] = /^\{"result":(".*")\}$/s.exec(text) ?? [];
  return result === undefined ? text : (JSON.parse(result) as string);
}
