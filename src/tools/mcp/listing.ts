import type { Client, Tool as McpTool } from '@modelcontextprotocol/client';

/** Bounds of what is taken of one server. */
export const maxTools = 1_000;
const maxPages = 200;
const maxSchemaBytes = 65_536;
const maxDescription = 16_384;
/** Name, description and schema of all its tools, in characters. */
const maxTotal = 8 * 2 ** 20;

/** A tool as its server tells of it. */
export interface ListedTool {
  /** As the server knows it. */
  readonly name: string;
  readonly description: string;
  /** JSON text. */
  readonly parametersJson: string;
  readonly definition: McpTool;
}

export interface Listing {
  readonly tools: readonly ListedTool[];
  /** What was left out, and why: lines for the log. */
  readonly leftOut: readonly string[];
}

/**
 * Asks a server for all of its tools, page by page.
 * @param only names of those that are taken; null for all
 */
export async function listTools(
  client: Client,
  only: readonly string[] | null,
  options: { readonly timeout: number; readonly signal: AbortSignal },
): Promise<Listing> {
  const tools = new Map<string, ListedTool>();
  const leftOut: string[] = [];
  if (client.getServerCapabilities()?.tools === undefined) return { tools: [], leftOut: ['it has no tools'] };
  const cursors = new Set<string>();
  let total = 0;
  let cursor: string | undefined;
  for (let page = 1; ; page++) {
    const params = cursor === undefined ? {} : { cursor };
    const answer = await client.request({ method: 'tools/list', params }, options);
    for (const definition of answer.tools) {
      if (only !== null && !only.includes(definition.name)) continue;
      const tool = listed(definition);
      if (typeof tool === 'string') leftOut.push(tool);
      else if (tools.has(tool.name)) leftOut.push(`${shown(tool.name)} is there twice`);
      else if (tools.size >= maxTools || total > maxTotal) {
        leftOut.push(`the tools after ${shown([...tools.keys()].at(-1) ?? '')} are too many`);
        return { tools: [...tools.values()], leftOut };
      } else {
        tools.set(tool.name, tool);
        total += tool.name.length + tool.description.length + tool.parametersJson.length;
      }
    }
    cursor = answer.nextCursor;
    if (cursor === undefined) break;
    if (cursors.has(cursor) || page >= maxPages) {
      leftOut.push(`the pages after the ${page}th do not end`);
      break;
    }
    cursors.add(cursor);
  }
  for (const name of only ?? []) if (!tools.has(name)) leftOut.push(`${shown(name)} is not there`);
  return { tools: [...tools.values()], leftOut };
}

/** The tool, or why it is none. */
function listed(definition: McpTool): ListedTool | string {
  const { name, title, inputSchema, annotations } = definition;
  const description = definition.description ?? title ?? annotations?.title ?? '';
  if (name === '' || name.length > 256) return `${shown(name)} has no usable name`;
  const parametersJson = JSON.stringify(inputSchema);
  if (Buffer.byteLength(parametersJson) > maxSchemaBytes) return `${shown(name)} has too large a schema`;
  return {
    name,
    description: description.slice(0, maxDescription).toWellFormed(),
    parametersJson,
    definition,
  };
}

const shown = (name: string): string => JSON.stringify(name.slice(0, 100));
