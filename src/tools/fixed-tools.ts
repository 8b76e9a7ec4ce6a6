import type { Tool, ToolProvider } from './tool.ts';

/** Tools that are the same for all tenants, and known without asking anybody. */
export class FixedTools implements ToolProvider {
  readonly #tools: () => readonly Tool[];

  /** @param tools those that there are now */
  constructor(tools: () => readonly Tool[]) {
    this.#tools = tools;
  }

  async list(): Promise<readonly Tool[]> {
    return this.#tools();
  }

  async find(_tenant: string, name: string): Promise<Tool | null> {
    return this.#tools().find((tool) => tool.name === name) ?? null;
  }
}
