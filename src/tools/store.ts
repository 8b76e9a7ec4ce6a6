/** How a tool behind an HTTP address is called. */
export interface HttpHandler {
  /** May have `{name}` in its path, which stands for that argument. */
  readonly url: string;
  readonly method: HttpMethod;
  /** Names in lower case. The values are secrets: they are sent, and never shown. */
  readonly headers: Readonly<Record<string, string>>;
  /** Longest call in milliseconds; null for the general bound. */
  readonly timeoutMs: number | null;
}

export const httpMethods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type HttpMethod = (typeof httpMethods)[number];

/** A tool that was registered at run time. */
export interface StoredTool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema, as JSON text. */
  readonly parametersJson: string;
  readonly handler: HttpHandler;
  /** Microseconds since 1970, on the clock of the gateway that took it. */
  readonly createdUs: number;
}

/** How much a tenant may register: tools, and bytes of all of them. */
export interface ToolBounds {
  readonly tools: number;
  readonly bytes: number;
}

/** What `register` came to. */
export type RegisterResult = 'registered' | 'taken' | 'full';

/**
 * Keeps registered tools. Each method is one decision that happens wholly or not at all, and is seen by every gateway at once; all of them
 * reject with a GatewayError DEPENDENCY_UNAVAILABLE when the store is out of reach, in which case it is not known whether it happened.
 */
export interface ToolStore {
  register(tenant: string, tool: StoredTool, bounds: ToolBounds): Promise<RegisterResult>;
  /** False when there is none. */
  delete(tenant: string, name: string): Promise<boolean>;
  read(tenant: string, name: string): Promise<StoredTool | null>;
  /** In the order in which they were registered. */
  list(tenant: string): Promise<StoredTool[]>;
}

/** A tool as stores keep it: JSON, with a version for those who come later. */
export const encodeTool = (tool: StoredTool): string => JSON.stringify({ v: 1, ...tool });

/** @throws Error when a newer gateway wrote it */
export function decodeTool(text: string): StoredTool {
  const { v, ...tool } = JSON.parse(text) as StoredTool & { v: number };
  if (v !== 1) throw new Error(`a registered tool is of version ${v}, which a newer gateway made`);
  return tool;
}

/** Order of a list: by time, then by name. */
export const byAge = (a: StoredTool, b: StoredTool): number =>
  a.createdUs - b.createdUs || (a.name < b.name ? -1 : 1);
