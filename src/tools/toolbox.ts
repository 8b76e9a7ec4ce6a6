import type { Tool, ToolContext, ToolOutcome } from './tool.ts';

/** All tools of the gateway, whatever their source, and the way to run them. */
export interface Toolbox {
  /** Built-in tools first, then registered ones, then those of MCP servers. */
  list(tenant: string): Promise<readonly Tool[]>;
  /** Null when there is none of that name. @throws GatewayError DEPENDENCY_UNAVAILABLE when that cannot be known now */
  find(tenant: string, name: string): Promise<Tool | null>;
  /**
   * Checks the arguments and runs the tool, within its time and size bounds.
   * @param argumentsJson JSON object text; '' counts as `{}`
   * @returns an outcome, also for arguments that do not fit: the text is what a model is told, and `field` in the case of arguments
   *   names the wrong one
   * @throws only what `context.signal` aborts with
   */
  run(
    tool: Tool,
    argumentsJson: string,
    context: ToolContext,
    strictness?: ArgumentStrictness,
  ): Promise<CheckedOutcome>;
}

/**
 * How arguments are checked and wrong ones told. `model`, the default: unknown arguments are ignored, and texts say what was got, since a
 * model reads them. `client`: unknown arguments are refused.
 */
export type ArgumentStrictness = 'model' | 'client';

/**
 * An outcome, or arguments that the tool does not take: the text has no prefix. `field` is the path to the wrong argument, such as
 * `source.books[0]`; '' when it is all of them.
 */
export type CheckedOutcome =
  | ToolOutcome
  | { readonly kind: 'bad_arguments'; readonly message: string; readonly field: string };
