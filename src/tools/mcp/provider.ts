import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { ToolSource } from '../../../gen/llmgateway/v1/tool_service_pb.js';
import { Watchdog } from '../../base/watchdog.ts';
import type { McpServerConfig } from '../../config/mcp-servers.ts';
import type { Logger } from '../../observability/log.ts';
import type { Tool, ToolProvider } from '../tool.ts';
import { type ConnectionTimes, McpConnection } from './connection.ts';
import type { ListedTool } from './listing.ts';
import { gatewayName } from './names.ts';

export interface McpToolsOptions {
  readonly log: Logger;
  /** Version of the gateway, which servers are told. */
  readonly version: string;
  /** Other times than the usual ones, for tests. */
  readonly times?: Partial<ConnectionTimes>;
}

/**
 * The tools of the MCP servers of the configuration. Connections are begun at once and kept up in the background: neither the start nor a
 * list waits for a server. Every tenant sees all of them.
 */
export class McpTools implements ToolProvider {
  readonly #options: McpToolsOptions;
  readonly #watchdog = new Watchdog({ marks: `mcp-${randomUUID()}`, graceSeconds: 2, folder: '' });
  #connections = new Map<string, McpConnection>();
  /** Connections that are being ended. */
  readonly #ending = new Set<Promise<void>>();
  /** By name, in the order of the servers; null when a list has changed. */
  #tools: ReadonlyMap<string, Tool> | null = null;

  constructor(servers: readonly McpServerConfig[], options: McpToolsOptions) {
    this.#options = options;
    this.reconfigure(servers);
  }

  async list(_tenant: string): Promise<readonly Tool[]> {
    return [...this.#byName().values()];
  }

  async find(_tenant: string, name: string): Promise<Tool | null> {
    return this.#byName().get(name) ?? null;
  }

  /** Takes other servers. Those that are the same as before keep their connection and their calls; others are begun, or ended. */
  reconfigure(servers: readonly McpServerConfig[]): void {
    const before = this.#connections;
    const after = new Map<string, McpConnection>();
    for (const server of servers) {
      const kept = before.get(server.name);
      if (kept !== undefined && isDeepStrictEqual(kept.server, server)) after.set(server.name, kept);
      else after.set(server.name, this.#connect(server));
    }
    this.#connections = after;
    this.#tools = null;
    for (const connection of before.values()) {
      if (after.get(connection.server.name) !== connection) this.#end(connection);
    }
  }

  /** Ends all connections and processes; resolves when they are gone, within some seconds. */
  async close(): Promise<void> {
    for (const connection of this.#connections.values()) this.#end(connection);
    this.#connections = new Map();
    this.#tools = null;
    while (this.#ending.size > 0) await Promise.all(this.#ending);
    this.#watchdog.close();
  }

  #connect(server: McpServerConfig): McpConnection {
    const { log, version, times } = this.#options;
    const onTools = (): void => {
      this.#tools = null;
    };
    return new McpConnection(server, {
      log,
      version,
      watchdog: this.#watchdog,
      onTools,
      ...(times === undefined ? {} : { times }),
    });
  }

  #end(connection: McpConnection): void {
    const ending = connection.close().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  #byName(): ReadonlyMap<string, Tool> {
    if (this.#tools !== null) return this.#tools;
    const tools = new Map<string, Tool>();
    for (const connection of this.#connections.values()) {
      for (const listed of connection.tools) {
        const tool = toolOf(connection, listed);
        if (!tools.has(tool.name)) tools.set(tool.name, tool);
        else
          this.#options.log.warn('two tools would have the same name; one is left out', {
            mcp_server: connection.server.name,
            tool: listed.name,
            name: tool.name,
          });
      }
    }
    this.#tools = tools;
    return tools;
  }
}

const toolOf = (connection: McpConnection, listed: ListedTool): Tool => ({
  name: gatewayName(connection.server.name, listed.name),
  description: listed.description,
  parametersJson: listed.parametersJson,
  source: ToolSource.MCP,
  timeoutMs: connection.server.timeoutMs,
  run: (args, context) => connection.call(listed, args, context),
});
