import { FinishReason, type Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import { type Message, Role } from '../../gen/llmgateway/v1/message_pb.js';
import { type GatewayError, toGatewayError } from '../errors/gateway-error.ts';
import { reasonForms } from '../errors/reasons.ts';
import { type StreamEvent, tapEvents } from '../model/events.ts';
import { genAiProvider } from '../observability/metrics.ts';
import type { TraceContext } from '../observability/trace.ts';
import {
  type Attributes,
  clean,
  cleanContent,
  failed,
  isSampled,
  type Span,
  SpanKind,
  type Tracing,
  traceOf,
} from '../observability/tracing.ts';
import type { Call, Reply, Stage } from './call.ts';
import { leaving } from './leaving.ts';
import type { Route } from './route.ts';
import { whenOver } from './when-over.ts';

/** Operation names of the semantic conventions. */
const operations = { chat: 'chat', embeddings: 'embeddings' } as const;

/** Says on the span of the request what became of the call. */
export function requestTraceStage(tracing: Tracing): Stage {
  return (next) => (call) => {
    const span = tracing.requestOf(call.trace);
    if (span === undefined) return next(call);
    return whenOver(next, call, (error, usage, firstOutput) => {
      if (firstOutput !== null) span.addEvent('first_output', firstOutput);
      describe(span, call, error, usage);
    });
  };
}

function describe(span: Span, call: Call, error: GatewayError | null, usage: Usage | undefined): void {
  const { report, request } = call;
  span.setAttributes(
    clean({
      'gen_ai.operation.name': operations[call.kind],
      'gen_ai.request.model': request.model,
      'gen_ai.provider.name': report.provider === '' ? undefined : genAiProvider(report.provider),
      'llm_gateway.face': call.face,
      'llm_gateway.stream': call.stream,
      'llm_gateway.upstream_model': report.upstreamModel,
      'llm_gateway.attempts': report.attempts,
      'llm_gateway.cost_usd': report.costUsd,
      ...(call.kind === 'chat'
        ? {
            'gen_ai.conversation.id': call.request.options?.sessionId,
            'llm_gateway.tool_rounds': call.tools?.rounds || undefined,
          }
        : {}),
      ...usageOf(usage),
    }),
  );
  if (error === null) return;
  span.setAttribute('error.type', error.reasonName);
  // What is the client's own mistake is no error of this server's.
  if (reasonForms[error.reason].status >= 500) failed(span, error.reasonName);
}

const usageOf = (usage: Usage | undefined): Attributes =>
  usage === undefined
    ? {}
    : {
        'gen_ai.usage.input_tokens': usage.promptTokens,
        'gen_ai.usage.output_tokens': usage.completionTokens,
        'gen_ai.usage.cache_read.input_tokens': usage.cachedTokens,
        'gen_ai.usage.cache_creation.input_tokens': usage.cacheWriteTokens,
        'gen_ai.usage.reasoning.output_tokens': usage.reasoningTokens,
      };

/**
 * A stage with a span for the time that a call waits in it before it goes on. A stage that goes on at once leaves none: what took no
 * time is not worth a line in a trace.
 */
export function waiting(tracing: Tracing, name: string, stage: Stage): Stage {
  return (next) => {
    const plain = stage(next);
    return (call) => {
      if (!isSampled(call.trace)) return plain(call);
      const began = Date.now();
      let atOnce = true;
      let gone = false;
      const end = (error: unknown): void => {
        if (gone) return;
        gone = true;
        if (atOnce) return;
        const span = tracing.begin(name, SpanKind.INTERNAL, call.trace, {}, began);
        if (error !== null) failed(span, toGatewayError(error).reasonName);
        span.end();
      };
      const reply = stage((passed) => {
        end(null);
        return next(passed);
      })(call);
      atOnce = false;
      return reply.catch((error: unknown) => {
        end(error);
        throw error;
      });
    };
  };
}

/** Tells providers of the trace that the client has told of: what is left to do where no spans are made. */
export const forwardTraceStage: Stage = (next) => (call) => next(forwarding(call, call.trace));

/** A copy, since others may be asked at the same time. */
const forwarding = (call: Call, upstreamTrace: TraceContext | undefined): Call =>
  upstreamTrace === undefined ? call : { ...call, upstreamTrace };

/** A CLIENT span for each request to a provider; the provider is told of it. */
export function attemptTraceStage(tracing: Tracing): Stage {
  return (next) => (call) => {
    const { propagate } = tracing;
    if (!isSampled(call.trace)) return next(propagate ? forwarding(call, call.trace) : call);
    const span = begin(tracing, call);
    const own = propagate ? forwarding(call, traceOf(span)) : call;
    const answer = new Answer(span, tracing.content && call.sensitive !== true);
    return next(own).then(
      (reply) => answer.reply(reply, call),
      (error: unknown) => {
        answer.failed(toGatewayError(error));
        throw error;
      },
    );
  };
}

function begin(tracing: Tracing, call: Call): Span {
  const { provider, upstreamModel } = call.route as Route;
  const operation = operations[call.kind];
  const parameters = call.kind === 'chat' ? call.request.parameters : undefined;
  const span = tracing.begin(`${operation} ${upstreamModel}`, SpanKind.CLIENT, call.trace, {
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': genAiProvider(provider.name),
    'gen_ai.request.model': upstreamModel,
    'gen_ai.request.temperature': parameters?.temperature,
    'gen_ai.request.top_p': parameters?.topP,
    'gen_ai.request.max_tokens': parameters?.maxOutputTokens,
    'llm_gateway.provider': provider.name,
    'llm_gateway.stream': call.stream,
    'llm_gateway.attempt': call.report.attempts + 1,
  });
  if (tracing.content && call.kind === 'chat' && call.sensitive !== true) {
    span.setAttribute('gen_ai.input.messages', cleanContent(textsOf(call.request.messages)));
  }
  return span;
}

function textsOf(messages: readonly Message[]): string {
  return JSON.stringify(
    messages.map(({ role, parts }) => ({
      role: Role[role].toLowerCase(),
      parts: parts.map(({ content }) =>
        content.case === 'text' ? { type: 'text', content: content.value.text } : { type: content.case },
      ),
    })),
  );
}

/** Longest text of an answer that is gathered, in characters. */
const maxGathered = 16_384;

/** One answer of a provider's, until it is over. */
class Answer {
  readonly #span: Span;
  /** What is said, where the span may have it. */
  #said: string | null;
  /** Parts of a stream that are text. */
  readonly #texts = new Set<string>();
  readonly #finish = new Set<string>();
  #over = false;

  constructor(span: Span, content: boolean) {
    this.#span = span;
    this.#said = content ? '' : null;
  }

  reply(reply: Reply, call: Call): Reply {
    if (reply.kind === 'stream') {
      this.#span.addEvent('first_token');
      const events = tapEvents(reply.events, {
        events: (batch) => {
          for (const event of batch) this.#see(event);
        },
        end: (error) => (error === null ? this.#end() : this.failed(toGatewayError(error))),
        abandoned: () => {
          this.#span.setAttribute('error.type', leaving(call).reasonName);
          this.#end();
        },
      });
      return events === reply.events ? reply : { kind: 'stream', events };
    }
    if (reply.kind === 'unary') {
      const { id, model, usage, choices } = reply.response;
      for (const { finishReason, message } of choices) {
        this.#finish.add(finishOf(finishReason));
        for (const { content } of message?.parts ?? [])
          if (content.case === 'text') this.#say(content.value.text);
      }
      this.#describe(id, model, usage);
    } else if (reply.kind === 'embeddings') this.#describe('', reply.response.model, reply.response.usage);
    this.#end();
    return reply;
  }

  failed(error: GatewayError): void {
    if (this.#over) return;
    const { upstreamStatus } = error.facts;
    if (upstreamStatus !== undefined) this.#span.setAttribute('http.response.status_code', upstreamStatus);
    failed(this.#span, error.reasonName);
    this.#end();
  }

  #see({ event }: StreamEvent): void {
    if (event.case === 'started') this.#describe(event.value.id, event.value.model, undefined);
    else if (event.case === 'choiceFinished') this.#finish.add(finishOf(event.value.finishReason));
    else if (event.case === 'finished') this.#describe('', '', event.value.usage);
    else if (this.#said === null) return;
    else if (event.case === 'partStarted') {
      const { choice, part, content } = event.value;
      if (content?.content.case === 'text') this.#texts.add(`${choice}/${part}`);
    } else if (event.case === 'delta') {
      const { choice, part, text } = event.value;
      if (this.#texts.has(`${choice}/${part}`)) this.#say(text);
    }
  }

  #say(text: string): void {
    if (this.#said !== null && this.#said.length < maxGathered) this.#said += text;
  }

  #describe(id: string, model: string, usage: Usage | undefined): void {
    this.#span.setAttributes(
      clean({ 'gen_ai.response.id': id, 'gen_ai.response.model': model, ...usageOf(usage) }),
    );
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#finish.size > 0) this.#span.setAttribute('gen_ai.response.finish_reasons', [...this.#finish]);
    if (this.#said) this.#span.setAttribute('gen_ai.output.messages', cleanContent(this.#said));
    this.#span.end();
  }
}

const finishOf = (reason: FinishReason): string => FinishReason[reason].toLowerCase();
