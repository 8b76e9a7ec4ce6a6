import { toBinary } from '@bufbuild/protobuf';
import { PartSchema } from '../../gen/llmgateway/v1/message_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import { ServiceError } from '../integrations/service.ts';
import type { Tool, ToolContext, ToolOutcome } from './tool.ts';

/** Longest text of an error that is handed on, in characters. */
const maxErrorChars = 8_192;

export interface RunOptions {
  /** Longest run, in milliseconds. */
  readonly timeoutMs: number;
  /** Largest result, in bytes. */
  readonly maxResultBytes: number;
  /** Told what a tool threw that should have been an outcome. */
  readonly onThrown: (error: unknown) => void;
  /** Told when the tool itself has ended, which may be after the run has. */
  readonly onSettled: () => void;
}

/** A run that took too long. */
export const timedOut = (timeoutMs: number): ToolOutcome => {
  const seconds = timeoutMs / 1_000;
  const shown = Number.isInteger(seconds) ? seconds.toFixed(1) : String(seconds);
  return { kind: 'error', message: `Tool execution timeout after ${shown}s` };
};

export const failed = (why: string): ToolOutcome => ({
  kind: 'error',
  message: `Tool execution failed: ${why}`,
});

/**
 * Runs a tool within its time, and makes an outcome of whatever it does. Ends when the time is up or the signal aborts, also when the tool
 * does not heed that.
 * @throws only what `context.signal` aborts with
 */
export function runTool(
  tool: Tool,
  args: Readonly<Record<string, unknown>>,
  context: ToolContext,
  { timeoutMs, maxResultBytes, onThrown, onSettled }: RunOptions,
): Promise<ToolOutcome> {
  const { signal } = context;
  return new Promise((resolve, reject) => {
    const stop = new AbortController();
    let over = false;
    const end = (act: () => void): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', leave);
      act();
    };
    const leave = (): void => {
      end(() => reject(signal.reason));
      stop.abort(signal.reason);
    };
    const timer = setTimeout(() => {
      end(() => resolve(timedOut(timeoutMs)));
      stop.abort(new DOMException('the tool took too long', 'TimeoutError'));
    }, timeoutMs);
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) {
      onSettled();
      leave();
      return;
    }
    start(tool, args, { ...context, signal: stop.signal }).then(
      (outcome) => {
        onSettled();
        end(() => resolve(bounded(outcome, maxResultBytes)));
      },
      (error: unknown) => {
        onSettled();
        end(() => {
          onThrown(error);
          resolve(bounded(failed(messageOf(error)), maxResultBytes));
        });
      },
    );
  });
}

/** A tool that throws at once rejects like any other. */
const start = async (
  tool: Tool,
  args: Readonly<Record<string, unknown>>,
  context: ToolContext,
): Promise<ToolOutcome> => tool.run(args, context);

/** Words that were made to be read by clients. What else is thrown may have addresses in it, and is for the log. */
function messageOf(error: unknown): string {
  if (error instanceof GatewayError) return error.rawMessage;
  return error instanceof ServiceError ? error.message : 'internal error';
}

function bounded(outcome: ToolOutcome, maxBytes: number): ToolOutcome {
  if (outcome.kind === 'error') {
    const { message } = outcome;
    if (message.length <= maxErrorChars) return outcome;
    return { kind: 'error', message: `${message.slice(0, maxErrorChars)}…`.toWellFormed() };
  }
  let bytes = Buffer.byteLength(outcome.json);
  for (const part of outcome.parts ?? []) bytes += toBinary(PartSchema, part).length;
  if (bytes > maxBytes) return failed(`the result is larger than ${maxBytes} bytes`);
  try {
    // It is put into replies as it is.
    JSON.parse(outcome.json);
  } catch {
    return failed('the result is not valid JSON');
  }
  return outcome;
}
