import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { ToolSource } from '../../gen/llmgateway/v1/tool_service_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { UpstreamClient } from '../http/client.ts';
import { type HostRules, refusalOf } from './allowed-hosts.ts';
import { httpTool } from './http-tool.ts';
import { checkNewTool, type NewTool, refused } from './new-tool.ts';
import type { StoredTool, ToolBounds, ToolStore } from './store.ts';
import type { Tool, ToolDefinition, ToolProvider } from './tool.ts';

/** What a tenant may register. */
export const toolBounds: ToolBounds = { tools: 256, bytes: 4 * 2 ** 20 };

export interface RegisteredToolsOptions {
  readonly store: ToolStore;
  /** Other sources, whose names are taken. */
  readonly others: readonly ToolProvider[];
  /** Makes the calls; its connections have to be guarded against addresses that are not of the public network. */
  readonly client: UpstreamClient;
  readonly rules: () => HostRules;
  /** Largest answer, in bytes. */
  readonly maxResultBytes: () => number;
}

/**
 * Tools that were registered at run time. The store is asked every time, so that all gateways have the same ones; where no hosts are allowed
 * there are none, and it is not asked. Rejects with GatewayError.
 */
export class RegisteredTools implements ToolProvider {
  readonly #options: RegisteredToolsOptions;

  constructor(options: RegisteredToolsOptions) {
    this.#options = options;
  }

  async list(tenant: string): Promise<readonly Tool[]> {
    if (!this.#mayBeAny()) return [];
    return (await this.#options.store.list(tenant)).map((stored) => this.#toolOf(stored));
  }

  async find(tenant: string, name: string): Promise<Tool | null> {
    if (!this.#mayBeAny()) return null;
    const stored = await this.#options.store.read(tenant, name);
    return stored === null ? null : this.#toolOf(stored);
  }

  /** @returns what is told of it */
  async register(tenant: string, wanted: NewTool): Promise<ToolDefinition> {
    const handler = checkNewTool(wanted);
    const refusal = refusalOf(new URL(handler.url), this.#options.rules());
    if (refusal !== null) throw refused(refusal);
    const { name, description, parametersJson } = wanted;
    if (await this.#isOthers(tenant, name)) throw taken(name);
    const tool: StoredTool = { name, description, parametersJson, handler, createdUs: Date.now() * 1_000 };
    const result = await this.#options.store.register(tenant, tool, toolBounds);
    if (result === 'taken') throw taken(name);
    if (result === 'full') throw full();
    return { name, description, parametersJson, source: ToolSource.HTTP };
  }

  async delete(tenant: string, name: string): Promise<void> {
    if (await this.#options.store.delete(tenant, name)) return;
    if (!(await this.#isOthers(tenant, name))) throw toolNotFound(name);
    throw new GatewayError(
      ErrorReason.TOOL_NOT_REMOVABLE,
      `The tool ${shown(name)} was not registered at run time and cannot be deleted`,
      { field: 'name' },
    );
  }

  #mayBeAny(): boolean {
    return this.#options.rules().allowedHosts.length > 0;
  }

  async #isOthers(tenant: string, name: string): Promise<boolean> {
    const found = await Promise.all(this.#options.others.map((other) => other.find(tenant, name)));
    return found.some((tool) => tool !== null);
  }

  #toolOf({ handler, ...definition }: StoredTool): Tool {
    const { client, rules, maxResultBytes } = this.#options;
    return httpTool(definition, handler, {
      client,
      maxResultBytes,
      refusal: (url) => refusalOf(url, rules()),
    });
  }
}

const shown = (name: string): string => name.slice(0, 128);

export const toolNotFound = (name: string): GatewayError =>
  new GatewayError(ErrorReason.NOT_FOUND, `Tool not found: ${shown(name)}`, { field: 'name' });

const taken = (name: string): GatewayError =>
  new GatewayError(ErrorReason.ALREADY_EXISTS, `There is a tool of the name ${shown(name)} already`, {
    field: 'name',
  });

const full = (): GatewayError =>
  new GatewayError(
    ErrorReason.REQUEST_TOO_LARGE,
    `There may be ${toolBounds.tools} registered tools of ${toolBounds.bytes} bytes in all, and this one would be too much`,
    { field: 'name' },
  );
