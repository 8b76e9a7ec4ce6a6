import { createRequire } from 'node:module';
import type { Attributes } from '@opentelemetry/api';
import type { Logger } from './log.ts';
import { Tracing } from './tracing.ts';

export interface OtlpOptions {
  /** Address below which `/v1/traces` is. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of the traces that are begun here. */
  readonly sampleRatio: number;
  /** What this process is. */
  readonly resource: Attributes;
  readonly content: () => boolean;
  readonly propagate: () => boolean;
  readonly log: Logger;
  /** Told of spans that were handed over, or could not be. */
  readonly onSent?: (count: number, taken: boolean) => void;
  /** How long spans are gathered, in milliseconds. Default 500. */
  readonly delayMs?: number;
}

/** Spans that wait for the collector at most; further ones are lost. */
const maxQueued = 4_096;
const maxBatch = 512;
/** Longest wait for the collector, in milliseconds. */
const timeoutMs = 5_000;
/** How long a gateway that ends waits for it, in milliseconds. */
const shutdownMs = 2_000;

const load = createRequire(import.meta.url);

/**
 * Sends spans to a collector by OTLP over HTTP. The SDK is loaded here and nowhere else, so that it costs nothing where it is not wanted.
 * A collector that is slow or away costs spans, never calls; the log says when it goes and when it is back.
 */
export function startTracing(options: OtlpOptions): Tracing {
  const sdk = load('@opentelemetry/sdk-trace') as typeof import('@opentelemetry/sdk-trace');
  const { resourceFromAttributes } = load(
    '@opentelemetry/resources',
  ) as typeof import('@opentelemetry/resources');
  const { OTLPTraceExporter } = load(
    '@opentelemetry/exporter-trace-otlp-proto',
  ) as typeof import('@opentelemetry/exporter-trace-otlp-proto');

  const { endpoint, headers, sampleRatio, log, onSent } = options;
  const url = endpoint.endsWith('/v1/traces') ? endpoint : `${endpoint}/v1/traces`;
  const exporter = new OTLPTraceExporter({
    url,
    headers: { ...headers },
    timeoutMillis: timeoutMs,
    concurrencyLimit: 4,
  });
  let told: boolean | null = null;
  const tell = (taken: boolean, error?: Error): void => {
    if (told === taken || (told === null && taken)) {
      told = taken;
      return;
    }
    told = taken;
    const { host } = new URL(url);
    if (taken) log.info('the collector takes traces again', { host });
    else log.warn('the collector does not take traces', { host, error: reasonOf(error) });
  };
  const watched: import('@opentelemetry/sdk-trace').SpanExporter = {
    export(spans, done) {
      exporter.export(spans, (result) => {
        tell(result.code === 0, result.error);
        onSent?.(spans.length, result.code === 0);
        done(result);
      });
    },
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  };
  const processor = new sdk.BatchSpanProcessor({
    exporter: watched,
    maxQueueSize: maxQueued,
    maxExportBatchSize: maxBatch,
    scheduledDelayMillis: options.delayMs ?? 500,
    exportTimeoutMillis: timeoutMs * 2,
  });
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes(options.resource),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(sampleRatio) }),
    spanProcessors: [processor],
    spanLimits: { attributeCountLimit: 64, eventCountLimit: 32, attributeValueLengthLimit: 16_384 },
  });
  return new Tracing({
    tracer: provider.getTracer('llm-gateway'),
    content: options.content,
    propagate: options.propagate,
    async shutdown() {
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, shutdownMs);
      await Promise.race([provider.shutdown().catch(() => {}), late.promise]);
      clearTimeout(timer);
    },
  });
}

/** Why, without what a collector or a proxy answers. */
function reasonOf(error: Error | undefined): string {
  const { code } = (error ?? {}) as { code?: unknown };
  if (typeof code === 'string') return code;
  if (typeof code === 'number') return `status ${code}`;
  return error?.name ?? 'unknown';
}
