import {
  type Attributes,
  createTraceState,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace as traces,
} from '@opentelemetry/api';
import { redactText } from './redact.ts';
import { idsOf, type TraceContext } from './trace.ts';

export { type Attributes, type Span, SpanKind } from '@opentelemetry/api';

export interface TracingOptions {
  readonly tracer: Tracer;
  /** Whether spans may have what was asked and answered. */
  readonly content: () => boolean;
  /** Whether providers are told of the trace. */
  readonly propagate: () => boolean;
  /** Sends what is left, within a bound. */
  readonly shutdown: () => Promise<void>;
}

/** Longest text that a span has, in characters, but for contents. */
const maxText = 512;
/** Longest content, in characters. */
const maxContent = 8_192;

/**
 * Makes spans. Where a trace comes from is passed along with the call, as the text that goes over the wire; nothing hangs on the
 * asynchronous context.
 */
export class Tracing {
  readonly #options: TracingOptions;
  /** Spans of requests under way, by what their children know of them. */
  readonly #requests = new Map<string, Span>();

  constructor(options: TracingOptions) {
    this.#options = options;
  }

  get content(): boolean {
    return this.#options.content();
  }

  get propagate(): boolean {
    return this.#options.propagate();
  }

  /** Begins the span of a request at the port. */
  request(name: string, parent: TraceContext | undefined, attributes: Attributes): Span {
    const span = this.begin(name, SpanKind.SERVER, parent, attributes);
    if (span.isRecording()) this.#requests.set(parentOf(span), span);
    return span;
  }

  /** Ends it. */
  requestEnded(span: Span): void {
    this.#requests.delete(parentOf(span));
    span.end();
  }

  /** The span of the request that a call belongs to. */
  requestOf(trace: TraceContext | undefined): Span | undefined {
    return trace === undefined ? undefined : this.#requests.get(trace.traceparent);
  }

  /** @param startTime on the clock of Date.now() */
  begin(
    name: string,
    kind: SpanKind,
    parent: TraceContext | undefined,
    attributes: Attributes,
    startTime?: number,
  ): Span {
    const options = {
      kind,
      attributes: clean(attributes),
      ...(startTime === undefined ? {} : { startTime }),
    };
    return this.#options.tracer.startSpan(redactText(name, maxText), options, contextOf(parent));
  }

  shutdown(): Promise<void> {
    return this.#options.shutdown();
  }
}

/** Whether a trace is recorded: what is not needs no spans. */
export const isSampled = (trace: TraceContext | undefined): trace is TraceContext =>
  trace !== undefined && (Number.parseInt(trace.traceparent.slice(53, 55), 16) & 1) === 1;

const parentOf = (span: Span): string => textOf(span.spanContext());

const textOf = ({ traceId, spanId, traceFlags }: SpanContext): string =>
  `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`;

/** A span as its children know it. */
export function traceOf(span: Span): TraceContext {
  const context = span.spanContext();
  const tracestate = context.traceState?.serialize() ?? '';
  return tracestate === '' ? { traceparent: textOf(context) } : { traceparent: textOf(context), tracestate };
}

function contextOf(parent: TraceContext | undefined) {
  if (parent === undefined) return ROOT_CONTEXT;
  const { traceId, spanId } = idsOf(parent);
  return traces.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(parent.traceparent.slice(53, 55), 16),
    isRemote: true,
    ...(parent.tracestate === undefined ? {} : { traceState: createTraceState(parent.tracestate) }),
  });
}

/** Attributes with every text masked and bounded; those without a value are left out. */
export function clean(attributes: Attributes): Attributes {
  const all: Attributes = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === '') continue;
    all[name] =
      typeof value === 'string'
        ? redactText(value, maxText)
        : Array.isArray(value)
          ? (value.map((item) => (typeof item === 'string' ? redactText(item, maxText) : item)) as never)
          : value;
  }
  return all;
}

/** Text of a conversation, for spans that may have it. */
export const cleanContent = (text: string): string => redactText(text, maxContent);

/** Says that what a span is about has failed; a provider's words may quote the conversation, so only its reason is told. */
export function failed(span: Span, reason: string): void {
  span.setAttribute('error.type', reason);
  span.setStatus({ code: SpanStatusCode.ERROR });
}
