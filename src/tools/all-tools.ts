import { ToolSource } from '../../gen/llmgateway/v1/tool_service_pb.js';
import type { Logger } from '../observability/log.ts';
import { ArgumentChecker } from './check-arguments.ts';
import { failed, runTool } from './run-tool.ts';
import type { Tool, ToolContext, ToolOutcome, ToolProvider } from './tool.ts';
import type { ArgumentStrictness, CheckedOutcome, Toolbox } from './toolbox.ts';

/** What holds for every run. */
export interface ToolLimits {
  /** Longest run of a tool that has no limit of its own, in milliseconds. */
  readonly timeoutMs: number;
  /** Largest result, in bytes. */
  readonly maxResultBytes: number;
  /** Tools that run at the same time. */
  readonly maxConcurrent: number;
}

/** Longest error that a log line has, in characters. */
const maxLogged = 500;

/** The tools of several sources. Where two have the same name, the first source's is the tool. */
export class AllTools implements Toolbox {
  readonly #sources: readonly ToolProvider[];
  readonly #limits: () => ToolLimits;
  readonly #log: Logger;
  readonly #checker: ArgumentChecker;
  #running = 0;

  constructor(sources: readonly ToolProvider[], limits: () => ToolLimits, log: Logger) {
    this.#sources = sources;
    this.#limits = limits;
    this.#log = log;
    this.#checker = new ArgumentChecker(log);
  }

  async list(tenant: string): Promise<readonly Tool[]> {
    const lists = await Promise.all(this.#sources.map((source) => source.list(tenant)));
    const tools = new Map<string, Tool>();
    for (const tool of lists.flat()) if (!tools.has(tool.name)) tools.set(tool.name, tool);
    return [...tools.values()];
  }

  /** Later sources are asked when the earlier ones do not have it: what is built in is found whatever else is out of reach. */
  async find(tenant: string, name: string): Promise<Tool | null> {
    for (const source of this.#sources) {
      const tool = await source.find(tenant, name);
      if (tool !== null) return tool;
    }
    return null;
  }

  async run(
    tool: Tool,
    argumentsJson: string,
    context: ToolContext,
    strictness: ArgumentStrictness = 'model',
  ): Promise<CheckedOutcome> {
    if (context.signal.aborted) throw context.signal.reason;
    const began = performance.now();
    const log = (status: string, message?: string): void =>
      this.#log.info('tool', {
        request_id: context.requestId,
        tool: tool.name,
        status,
        latency_ms: Math.round(performance.now() - began),
        ...(message === undefined ? {} : { error: message.slice(0, maxLogged) }),
      });
    const checked = this.#checker.check(tool, argumentsJson, strictness);
    if (checked.kind === 'bad') {
      log('bad_arguments', checked.message);
      return { kind: 'bad_arguments', message: checked.message, field: checked.field };
    }
    try {
      const args = isBuiltIn(tool) ? checked.args : checked.exact;
      const outcome = await this.#run(tool, args, context);
      if (outcome.kind === 'result') log('ok');
      else log('failed', outcome.message);
      return outcome;
    } catch (error) {
      log('cancelled');
      throw error;
    }
  }

  async #run(
    tool: Tool,
    args: Readonly<Record<string, unknown>>,
    context: ToolContext,
  ): Promise<ToolOutcome> {
    const { timeoutMs, maxResultBytes, maxConcurrent } = this.#limits();
    if (this.#running >= maxConcurrent)
      return failed(`${maxConcurrent} tools are running, which is as many as may; try again later`);
    this.#running++;
    return runTool(tool, args, context, {
      timeoutMs: tool.timeoutMs ?? timeoutMs,
      maxResultBytes,
      onSettled: () => void this.#running--,
      onThrown: (error) =>
        this.#log.error('a tool threw', { request_id: context.requestId, tool: tool.name, error }),
    });
  }
}

const isBuiltIn = ({ source }: Tool): boolean => source === ToolSource.BUILT_IN;
