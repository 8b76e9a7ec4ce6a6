import type { Config } from '../config/load.ts';
import { createUpstreamClient, type UpstreamClient } from '../http/client.ts';
import type { Logger } from '../observability/log.ts';
import { guardedLookup } from '../tools/addresses.ts';
import { AllTools } from '../tools/all-tools.ts';
import { FixedTools } from '../tools/fixed-tools.ts';
import { McpTools } from '../tools/mcp/provider.ts';
import { RegisteredTools } from '../tools/registered-tools.ts';
import type { ToolStore } from '../tools/store.ts';
import type { Tool } from '../tools/tool.ts';
import type { Toolbox } from '../tools/toolbox.ts';

/** All that has to do with running tools. */
export interface ToolParts {
  readonly toolbox: Toolbox;
  readonly registered: RegisteredTools;
  readonly mcp: McpTools;
  close(): Promise<void>;
}

/** What of the tools a reload replaces. */
export interface SettledTools {
  readonly config: Config;
  readonly builtIn: readonly Tool[];
  readonly tools: readonly Tool[];
}

/** Connections to one origin of tools, and as many calls that wait for one. */
const toolConnections = 256;

/** A client to tools of the configuration file. */
export const createToolClient = (): UpstreamClient =>
  createUpstreamClient({ connections: toolConnections, maxWaiting: toolConnections });

/** @param own all tools, instead of the gateway's */
export function createTools(
  initial: Config,
  settled: () => SettledTools,
  store: ToolStore,
  log: Logger,
  own: Toolbox | undefined,
): ToolParts {
  // Calls of configured tools and of registered ones do not share connections: those of the latter are guarded.
  const guarded = createUpstreamClient({
    connections: toolConnections,
    maxWaiting: toolConnections,
    lookup: guardedLookup(() => settled().config.toolPrivateAddresses),
  });
  const mcp = new McpTools(initial.mcpServers, { log: log.module('mcp'), version: initial.version });
  const first = [new FixedTools(() => settled().builtIn), new FixedTools(() => settled().tools)];
  const registered = new RegisteredTools({
    store,
    others: [...first, mcp],
    client: guarded,
    rules: () => ({
      allowedHosts: settled().config.toolAllowedHosts,
      privateAddresses: settled().config.toolPrivateAddresses,
    }),
    maxResultBytes: () => settled().config.toolMaxResultBytes,
  });
  const limits = () => {
    const { toolTimeoutMs: timeoutMs, toolMaxResultBytes, toolMaxConcurrent } = settled().config;
    return { timeoutMs, maxResultBytes: toolMaxResultBytes, maxConcurrent: toolMaxConcurrent };
  };
  return {
    toolbox: own ?? new AllTools([...first, registered, mcp], limits, log.module('tools')),
    registered,
    mcp,
    async close() {
      await Promise.all([guarded.destroy(), mcp.close()]);
    },
  };
}
