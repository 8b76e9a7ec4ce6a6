import type { CallReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { type GatewayError, toGatewayError } from '../errors/gateway-error.ts';
import { ClientGoneError, openSse, type SseWriter } from '../http/sse-writer.ts';
import type { StreamEvent } from '../model/events.ts';
import type { Batches } from '../rpc/singly.ts';
import type { Exchange } from './exchange.ts';
import { reportHeaders } from './report.ts';

/** How a face writes a streamed answer. */
export interface StreamForm<E = StreamEvent> {
  /** Whole frames for a batch of events; '' for none. */
  encode(batch: readonly E[]): string;
  /** Whether nothing comes after an event. */
  isLast(event: E): boolean;
  /** What the first batch says of the call's way. */
  reportOf(batch: readonly E[]): CallReport | undefined;
  /** The last frames of a stream that fails after it has begun. */
  encodeError(error: GatewayError): string;
  /** Written when nothing else was for a while, a whole frame. */
  readonly keepAliveFrame: string;
  /** More reply headers. */
  readonly headers: Readonly<Record<string, string>>;
  /** Those that are known with the report. */
  readonly reportHeaders?: (report: CallReport | undefined) => Record<string, string>;
  /** What is known of the call when the head has to go out before there is an answer. */
  readonly report: CallReport;
}

/**
 * Writes a streamed answer. The head waits for the first output, so that a failure before it keeps its status; but no
 * longer than the keep-alive interval, after which proxies would give up: from then on a failure comes in the stream.
 * @param keepAliveMs after how much silence a keep-alive is written, in milliseconds
 */
export async function sendStream<E>(
  exchange: Exchange,
  opening: Promise<Batches<E>>,
  form: StreamForm<E>,
  keepAliveMs: number,
): Promise<void> {
  const { keepAliveFrame } = form;
  const open = (more?: Record<string, string>): SseWriter => {
    const { requestId, moreHeaders } = exchange;
    const headers = { ...moreHeaders?.(), 'x-request-id': requestId, ...form.headers, ...more };
    return openSse(exchange.res, { keepAliveMs, keepAliveFrame, headers });
  };
  let writer: SseWriter | null = null;
  const early = setTimeout(() => {
    writer = open(headersOf(form, form.report));
    if (!writer.gone) writer.write(keepAliveFrame);
  }, keepAliveMs);
  let events: Batches<E>;
  try {
    events = await opening;
  } catch (error) {
    if (writer === null) throw error;
    return endWithError(writer, form, error);
  } finally {
    clearTimeout(early);
  }
  await pump(events, form, writer, open);
}

const headersOf = <E>(form: StreamForm<E>, report: CallReport | undefined): Record<string, string> => {
  const headers = reportHeaders(report, [], false);
  return form.reportHeaders === undefined ? headers : { ...headers, ...form.reportHeaders(report) };
};

async function pump<E>(
  events: Batches<E>,
  form: StreamForm<E>,
  early: SseWriter | null,
  open: (headers: Record<string, string>) => SseWriter,
): Promise<void> {
  let writer = early;
  try {
    for (;;) {
      const result = await events.next();
      if (result.done) break;
      writer ??= open(headersOf(form, form.reportOf(result.value)));
      const frames = form.encode(result.value);
      if (frames === '') continue;
      if (form.isLast(result.value[result.value.length - 1] as E)) writer.end(frames);
      else {
        const drained = writer.write(frames);
        if (drained !== undefined) await drained;
      }
    }
    // A stream may have nothing to say: all has been read already. It still has a head and an end.
    writer ??= open(reportHeaders(form.report));
    writer.end();
  } catch (error) {
    await events.return();
    if (writer === null) throw error;
    if (!(error instanceof ClientGoneError)) endWithError(writer, form, error);
  }
}

/** What is the same for all dialects of a model's answer. */
export const answerForm = {
  isLast: ({ event }: StreamEvent): boolean => event.case === 'finished',
  reportOf(batch: readonly StreamEvent[]): CallReport | undefined {
    const first = batch[0]?.event;
    return first?.case === 'started' ? first.value.callReport : undefined;
  },
};

function endWithError<E>(writer: SseWriter, form: StreamForm<E>, error: unknown): void {
  writer.end(form.encodeError(toGatewayError(error)));
}
