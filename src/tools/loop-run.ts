import { type Message, type Part, Role, type ToolCall } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from '../model/build.ts';
import type { Tool, ToolContext } from './tool.ts';
import type { CheckedOutcome, Toolbox } from './toolbox.ts';

type Arguments = Readonly<Record<string, unknown>>;

/** What the model's calls are run with. */
export interface CallRunner {
  readonly toolbox: Toolbox;
  readonly enabled: ReadonlyMap<string, Tool>;
  readonly context: ToolContext;
  /** The arguments with the defaults of this conversation; the same object where there are none to add. */
  readonly withDefaults: (tool: string, args: Arguments) => Arguments;
  /** Told of what a toolbox throws although it should not. */
  readonly onFault: (tool: string, error: unknown) => void;
}

/** Calls of one round that run at the same time; further ones wait for these. */
const maxParallel = 32;

/**
 * Runs calls side by side. A tool that fails gives the model a text that says so; it never fails the call.
 * @param onDone told of each result when it is there, with the time that it took
 * @returns a message of ROLE_TOOL for each, in the order of the calls
 * @throws what the signal aborts with, at once, whatever the tools do then
 */
export async function runCalls(
  calls: readonly ToolCall[],
  runner: CallRunner,
  onDone: (result: Message, durationMs: number) => void = () => {},
): Promise<Message[]> {
  const { signal } = runner.context;
  const results: Message[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < calls.length && !signal.aborted) {
      const at = next++;
      const began = performance.now();
      const result = await runCall(calls[at] as ToolCall, runner);
      if (signal.aborted) return;
      results[at] = result;
      onDone(result, performance.now() - began);
    }
  };
  const workers = Array.from({ length: Math.min(maxParallel, calls.length) }, work);
  await orAborted(Promise.all(workers), signal);
  return results;
}

/** @throws what the signal aborts with, when that is first */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  // When it aborts, what else fails is of no interest.
  promise.catch(() => {});
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function runCall({ id, name, arguments: text }: ToolCall, runner: CallRunner): Promise<Message> {
  const { toolbox, enabled, context, withDefaults, onFault } = runner;
  const tool = enabled.get(name);
  if (tool === undefined) return resultOf(id, name, failed(`Tool error: Tool not found: ${name}`));
  let outcome: CheckedOutcome;
  try {
    outcome = await toolbox.run(tool, argumentsOf(name, text, withDefaults), context);
  } catch (error) {
    if (!context.signal.aborted) onFault(name, error);
    outcome = { kind: 'error', message: 'internal error' };
  }
  return resultOf(id, name, toldOf(outcome));
}

/** The arguments as the model wrote them, as long as they can be read and nothing is added. */
function argumentsOf(tool: string, text: string, withDefaults: CallRunner['withDefaults']): string {
  const given = parsedArguments(text);
  const args = withDefaults(tool, given ?? {});
  return given !== null && args === given ? text : JSON.stringify(args);
}

/** @returns null when they are no JSON object */
export function parsedArguments(text: string): Arguments | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Arguments) : null;
  } catch {
    return null;
  }
}

interface Told {
  readonly parts: Part[];
  readonly isError: boolean;
}

const failed = (text: string): Told => ({ parts: [build.textPart(text)], isError: true });

/** What a toolbox or an HTTP tool says of a run is a sentence of its own. */
const sentence = /^Tool execution (?:timeout after|failed:) /;

function toldOf(outcome: CheckedOutcome): Told {
  switch (outcome.kind) {
    case 'result':
      return { parts: [...(outcome.parts ?? [build.textPart(outcome.json)])], isError: false };
    case 'bad_arguments':
      return failed(`Tool error: ${outcome.message}`);
    default:
      return failed(
        sentence.test(outcome.message) ? outcome.message : `Tool execution failed: ${outcome.message}`,
      );
  }
}

const resultOf = (id: string, name: string, { parts, isError }: Told): Message =>
  build.message(Role.TOOL, [
    build.part({
      case: 'toolResult',
      value: build.toolResult(id, parts, { name, isError, multipart: parts.length > 1 }),
    }),
  ]);

/** A result that stands for one that is not known any more, without which providers refuse the conversation. */
export const lostResult = ({ id, name }: ToolCall): Message =>
  resultOf(id, name, failed('Tool error: the result is not available any more'));
