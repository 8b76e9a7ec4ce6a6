import { createHash, createHmac, type Hash, type Hmac, randomBytes } from 'node:crypto';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { type Message, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { type CliAnswer, CliError, type CliFault } from '../../cli-pool/answer.ts';
import type { CliFrame } from '../../cli-pool/dialect.ts';
import type { CliRequest } from '../../cli-pool/pool.ts';
import { isCliModel } from '../../config/cli.ts';
import { GatewayError } from '../../errors/gateway-error.ts';
import { Assembler } from '../../model/assemble.ts';
import { type EventStream, primed } from '../../model/events.ts';
import { redactText } from '../../observability/redact.ts';
import { FramedEventStream, type Framing } from '../framed-event-stream.ts';
import type { Provider, ProviderCall } from '../provider.ts';
import { upstreamFault } from '../upstream-fault.ts';
import type { AnswerDecoder, CliProgram } from './program.ts';

export interface CliProviderOptions {
  readonly name: string;
  readonly program: CliProgram;
  /** Names of models that clients use, and the program's own, before those that it has anyway. */
  readonly models: Readonly<Record<string, string>>;
  readonly unsupported: readonly string[];
  /** Asks a session. */
  ask(request: CliRequest): Promise<CliAnswer>;
}

/** What a session cannot be told, and is left out rather than refused: clients send it by habit, and there was never more to it than a hint. */
const ignored: ReadonlySet<string> = new Set(['max_tokens']);

/** Models that answer by sessions with a command-line program. */
export function cliProvider(options: CliProviderOptions): Provider {
  const { name, program, ask } = options;
  const unsupported: ReadonlySet<string> = new Set(options.unsupported);
  const models = new Map(Object.entries({ ...program.models, ...options.models }));

  async function streamChat(call: ProviderCall): Promise<EventStream> {
    const { upstreamModel, requestId, signal } = call;
    const model = models.get(upstreamModel) ?? checkedModel(upstreamModel, name);
    const text = program.encode(call, model, () => markOf(call));
    const id = `chatcmpl-${requestId}`;
    const createdAt = Math.floor(Date.now() / 1_000);
    try {
      const answer = await ask({ requestId, model, text, signal, key: () => keyOf(call) });
      const decoder = program.decoder({ provider: name, id, model: upstreamModel, createdAt });
      return await primed(eventsIn(answer, decoder, name));
    } catch (error) {
      throw faultOf(error, name, false);
    }
  }

  return {
    name,
    missing: null,
    unsupported: () => unsupported,
    ignored,
    streamChat,
    async createChat(call) {
      const events = await streamChat(call);
      const assembler = new Assembler();
      let size = 0;
      for (let batch = await events.next(); !batch.done; batch = await events.next()) {
        for (const { event } of batch.value) if (event.case === 'delta') size += event.value.text.length;
        if (size > maxAnswer) {
          await events.return?.();
          throw tooLarge(name);
        }
        assembler.add(batch.value);
      }
      return assembler.response();
    },
    listModels: async () => [...models.keys()].map((id) => ({ id })),
  };
}

function checkedModel(model: string, provider: string): string {
  if (isCliModel(model)) return model;
  throw new GatewayError(
    ErrorReason.MODEL_NOT_FOUND,
    `provider ${provider} has no model of this name: letters, digits and any of .:/@_[]- are what names have`,
    { field: 'model', provider },
  );
}

/** Nobody outside of this process can make a mark. */
const secret = randomBytes(32);

/**
 * A mark that no text of the conversation has, whoever has written it: a result of a tool can't close its turn and begin another one. It is made of how the
 * conversation begins, so that it stays the same in its further turns, and caches of prompts hold.
 */
function markOf({ request: { messages }, tenant = '' }: ProviderCall): string {
  const hmac = createHmac('sha256', secret).update(`${tenant.length} ${tenant}`);
  const first = messages.findIndex(({ role }) => role === Role.USER);
  for (const message of messages.slice(0, first + 1 || 1)) addTexts(hmac, message);
  return hmac.digest('hex').slice(0, 12);
}

function addTexts(hash: Hash | Hmac, { parts }: Message): void {
  for (const { content } of parts) {
    if (content.case === 'text') hash.update(`${content.value.text.length}\n${content.value.text}`);
  }
}

/**
 * Who asks, and for which instructions: the program takes these once in a session, and the words of one client are not for another. Matters where sessions serve
 * several requests.
 */
function keyOf({ request, tenant = '' }: ProviderCall): string {
  const hash = createHash('sha256').update(`${tenant.length} ${tenant}`);
  for (const message of request.messages) {
    if (message.role === Role.SYSTEM || message.role === Role.DEVELOPER) addTexts(hash, message);
  }
  return hash.digest('hex');
}

/** Most that is put together of one answer, in characters; a stream is bounded by its reader. */
const maxAnswer = 64 * 2 ** 20;

const tooLarge = (provider: string): GatewayError =>
  new GatewayError(ErrorReason.UPSTREAM_INVALID, `provider ${provider} sent an answer that is too large`, {
    provider,
  });

/** They come as frames. */
const asTheyCome: Framing<CliFrame, readonly CliFrame[]> = {
  push(frames, out) {
    out.push(...frames);
  },
  end: () => false,
};

const eventsIn = (answer: CliAnswer, decoder: AnswerDecoder, provider: string): EventStream =>
  new FramedEventStream(
    { read: () => answer.next(), cancel: () => answer.cancel() },
    asTheyCome,
    {
      push: (frame, out) => decoder.push(frame, out),
      end() {
        throw new CliError('gone', 'it ended before its answer was complete');
      },
      usageSoFar: () => decoder.usageSoFar?.(),
    },
    provider,
    (name, error) => faultOf(error, name, true),
  );

/** How often a client that finds no session is told to wait, in milliseconds. */
const waitMs = 1_000;
const maxSaid = 300;

const reasons: Readonly<Record<CliFault, readonly [before: ErrorReason, within: ErrorReason]>> = {
  // The gateway's own bound, like that of any other provider.
  exhausted: [ErrorReason.OVERLOADED, ErrorReason.OVERLOADED],
  closed: [ErrorReason.DRAINING, ErrorReason.DRAINING],
  broken: [ErrorReason.UPSTREAM_UNREACHABLE, ErrorReason.UPSTREAM_UNREACHABLE],
  timeout: [ErrorReason.UPSTREAM_TIMEOUT, ErrorReason.UPSTREAM_TIMEOUT],
  gone: [ErrorReason.UPSTREAM_FAILED, ErrorReason.UPSTREAM_INTERRUPTED],
  malformed: [ErrorReason.UPSTREAM_INVALID, ErrorReason.UPSTREAM_INVALID],
  model: [ErrorReason.MODEL_NOT_FOUND, ErrorReason.MODEL_NOT_FOUND],
  refused: [ErrorReason.UPSTREAM_FAILED, ErrorReason.UPSTREAM_FAILED],
};

/** A failure of a session as the client is told of it. */
function faultOf(error: unknown, provider: string, within: boolean): unknown {
  if (!(error instanceof CliError)) return upstreamFault(provider, error);
  const { fault, message } = error;
  const reason = reasons[fault][within ? 1 : 0];
  const said = redactText(message, maxSaid);
  const what = whatOf(fault, provider, said);
  return new GatewayError(reason, what, {
    provider,
    cause: error,
    // The pool has tried again already, or does so all the time.
    ...(fault === 'gone' || fault === 'broken' || fault === 'refused' ? { retryable: false } : {}),
    ...(fault === 'model' ? { field: 'model' } : {}),
    ...(fault === 'exhausted' || fault === 'closed' ? { retryAfterMs: waitMs } : {}),
  });
}

function whatOf(fault: CliFault, provider: string, said: string): string {
  if (fault === 'exhausted') return `pool_exhausted: ${said}`;
  if (fault === 'model') return `provider ${provider} does not answer as this model: ${said}`;
  return `a session of provider ${provider} failed: ${said}`;
}
