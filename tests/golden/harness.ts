import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';
import { anonymous } from '../../src/auth/principal.ts';
import { builtinProviders } from '../../src/config/builtin-providers.ts';
import { toGatewayError } from '../../src/errors/gateway-error.ts';
import { createUpstreamClient } from '../../src/http/client.ts';
import * as build from '../../src/model/build.ts';
import { type ChatCall, pipeline, type Reply } from '../../src/pipeline/call.ts';
import { dispatch } from '../../src/pipeline/dispatch.ts';
import { legacyFunctionsStage } from '../../src/pipeline/legacy-functions.ts';
import { paramsStage } from '../../src/pipeline/params.ts';
import { createProviders } from '../../src/providers/registry.ts';
import { load } from '../config/support/load.ts';
import { NO_TIMEOUTS, startUpstream } from '../http/support/upstream.ts';
import type { Answer } from './answers.ts';
import { type Conversation, conversations } from './conversations.ts';
import type { GoldenProvider } from './providers.ts';

/** What a provider was asked. */
export interface Asked {
  readonly path: string;
  /** The body as it came. */
  readonly text: string;
  /** Parameters that were left out. */
  readonly dropped: readonly string[];
  readonly warnings: readonly { readonly code: string; readonly field: string; readonly message: string }[];
}

/** Why nobody was asked. */
export interface Refused {
  readonly reason: string;
  readonly field: string;
  readonly message: string;
}

/** An answer as a client is told it. */
export interface Heard {
  text: string;
  reasoning: string;
  /** Whose state comes with the reasoning or with the call; '' for none. */
  state: string;
  calls: { id: string; name: string; arguments: string }[];
  finish: string;
  usage: {
    prompt: number;
    completion: number;
    total: number;
    cached: number | null;
    reasoning: number | null;
  };
  logprobs: number;
}

export type Outcome = { readonly asked: Asked } | { readonly refused: Refused };

/** The built-in providers, made as the gateway makes them, in front of a server that remembers what it was asked. */
export interface Harness {
  ask(provider: GoldenProvider, conversation: Omit<Conversation, 'about'>): Promise<Outcome>;
  /** What a client is told when the provider answers like this. */
  hear(provider: GoldenProvider, answer: Answer, stream: boolean): Promise<Heard>;
  stop(): Promise<void>;
}

const refusal: Answer = {
  type: 'application/json',
  whole: '{"error":{"message":"heard"}}',
  streamType: '',
  stream: Buffer.alloc(0),
};

export async function startHarness(): Promise<Harness> {
  const upstream = await startUpstream();
  let heard: { path: string; text: string } | null = null;
  let answer = refusal;
  let streamed = false;
  upstream.answerAll(({ head, body, socket }) => {
    heard = { path: head.split(' ')[1] ?? '', text: body };
    const bytes = streamed ? answer.stream : Buffer.from(answer.whole);
    const status = answer === refusal ? '400 Bad Request' : '200 OK';
    socket.write(
      `HTTP/1.1 ${status}\r\ncontent-type: ${streamed ? answer.streamType : answer.type}\r\ncontent-length: ${bytes.length}\r\n\r\n`,
    );
    socket.write(bytes);
  });
  const client = createUpstreamClient();
  const providers = createProviders(load(configuration(upstream.origin)).providers, client);
  const handle = pipeline([paramsStage, legacyFunctionsStage], dispatch);

  function callTo(
    { provider: name, model }: GoldenProvider,
    { request, stream }: Omit<Conversation, 'about'>,
  ) {
    const provider = providers.get(name);
    if (provider === undefined) throw new Error(`no provider ${name}`);
    const call: ChatCall = {
      kind: 'chat',
      id: 'golden',
      face: 'openai.chat',
      principal: anonymous,
      signal: new AbortController().signal,
      route: { provider, upstreamModel: model, timeouts: NO_TIMEOUTS, names: [] },
      report: build.callReport('', ''),
      stream,
      request,
    };
    return call;
  }

  async function ask(provider: GoldenProvider, conversation: Omit<Conversation, 'about'>): Promise<Outcome> {
    heard = null;
    [answer, streamed] = [refusal, false];
    const call = callTo(provider, conversation);
    // A stage may throw before there is a promise.
    const error = await Promise.resolve(call)
      .then(handle)
      .then(
        () => new Error('the upstream refused, and nobody noticed'),
        (thrown: unknown) => thrown,
      );
    const { reason, facts, rawMessage } = toGatewayError(error);
    if (heard === null) {
      return { refused: { reason: ErrorReason[reason], field: facts.field ?? '', message: rawMessage } };
    }
    if (reason !== ErrorReason.UPSTREAM_REJECTED) throw error;
    const { droppedParams: dropped, warnings } = call.report;
    return {
      asked: {
        ...(heard as { path: string; text: string }),
        dropped,
        warnings: warnings.map(({ code, field, message }) => ({ code, field, message })),
      },
    };
  }
  async function hear(provider: GoldenProvider, given: Answer, stream: boolean): Promise<Heard> {
    [answer, streamed] = [given, stream];
    const { request } = conversations['plain'] as Conversation;
    return told(await handle(callTo(provider, { request, stream })));
  }

  return {
    ask,
    hear,
    async stop() {
      await client.destroy();
      upstream.close();
    },
  };
}

/** All built-in providers at one address, and Claude on Bedrock in its own form. */
export function configuration(origin: string): string {
  const lines = Object.entries(builtinProviders).flatMap(([name, { form, baseUrl }]) => {
    if (baseUrl === '') return [];
    const path = baseUrl.includes('{') ? '' : new URL(baseUrl).pathname.replace(/\/$/, '');
    const region = form === 'bedrock' ? ', region: eu-west-1' : '';
    return [`  ${name}: { base_url: "${origin}${path}", api_key: k${region} }`];
  });
  lines.push(
    `  bedrock-invoke: { form: bedrock, base_url: "${origin}", api_key: k, region: eu-west-1, claude_api: invoke }`,
  );
  return `providers:\n${lines.join('\n')}\n`;
}

/** A reply of either kind as the same facts. */
async function told(reply: Reply): Promise<Heard> {
  const heard: Heard = {
    text: '',
    reasoning: '',
    state: '',
    calls: [],
    finish: '',
    usage: { prompt: 0, completion: 0, total: 0, cached: null, reasoning: null },
    logprobs: 0,
  };
  if (reply.kind === 'unary') {
    const [choice] = reply.response.choices;
    for (const part of choice?.message?.parts ?? []) hearPart(part, heard);
    heard.finish = FinishReason[choice?.finishReason ?? 0] ?? '';
    heard.logprobs = choice?.logprobs?.content.length ?? 0;
    hearUsage(reply.response.usage, heard);
    return heard;
  }
  if (reply.kind !== 'stream') throw new Error(`a reply of kind ${reply.kind}`);
  const parts = new Map<number, Part>();
  for (;;) {
    const { done, value } = await reply.events.next();
    if (done) break;
    for (const { event } of value) {
      if (event.case === 'partStarted' && event.value.content !== undefined) {
        parts.set(event.value.part, event.value.content);
        hearPart(event.value.content, heard);
      }
      if (event.case === 'delta') {
        const { part, text, logprobs } = event.value;
        heard.logprobs += logprobs?.content.length ?? 0;
        hearMore(parts.get(part), text, heard);
      }
      if (event.case === 'partEnded' && event.value.final !== undefined) hearState(event.value.final, heard);
      if (event.case === 'choiceFinished') heard.finish = FinishReason[event.value.finishReason];
      if (event.case === 'finished') hearUsage(event.value.usage, heard);
    }
  }
  return heard;
}

function hearPart(part: Part, heard: Heard): void {
  const { content } = part;
  if (content.case === 'text') heard.text += content.value.text;
  if (content.case === 'reasoning') heard.reasoning += content.value.text;
  if (content.case === 'toolCall') {
    const { id, name, arguments: args } = content.value;
    heard.calls.push({ id, name, arguments: args });
  }
  hearState(part, heard);
}

function hearMore(part: Part | undefined, text: string, heard: Heard): void {
  const call = heard.calls.at(-1);
  if (part?.content.case === 'text') heard.text += text;
  if (part?.content.case === 'reasoning') heard.reasoning += text;
  if (part?.content.case === 'toolCall' && call !== undefined) call.arguments += text;
}

function hearState({ content }: Part, heard: Heard): void {
  if (content.case === 'reasoning' && content.value.signature !== '') heard.state = content.value.format;
  if (content.case === 'toolCall' && content.value.signature !== '') heard.state = 'of the call';
}

function hearUsage(used: Usage | undefined, heard: Heard): void {
  if (used === undefined) return;
  heard.usage = {
    prompt: used.promptTokens,
    completion: used.completionTokens,
    total: used.totalTokens,
    cached: used.cachedTokens ?? null,
    reasoning: used.reasoningTokens ?? null,
  };
}
