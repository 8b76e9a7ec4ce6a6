import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { type Tool as ModelTool, ToolChoice_Mode } from '../../gen/llmgateway/v1/generation_pb.js';
import { invalidRequest } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import { isOff, prefixOf } from '../model/gateway-tools.ts';
import type { Tool } from './tool.ts';
import type { Toolbox } from './toolbox.ts';

/** What a request enables. */
export interface EnabledTools {
  readonly tools: ReadonlyMap<string, Tool>;
  /** The request with the definitions of all of them. */
  readonly request: CreateChatCompletionRequest;
  /** It has other tools besides. */
  readonly clientHasOwn: boolean;
}

/** How the client writes a field of the request. */
export type FieldName = (place: 'options' | 'parameters' | '', name: string) => string;

/** As many tools as a request may have. */
const maxTools = 1_024;

/**
 * Finds the gateway's tools that a request enables: those that its options name, and those that stand in its `tools` by their names.
 * The definitions of the first are added in the order of the options, those of one prefix by name, so that the same request is
 * always the same; the others keep what the client says of them, and get what it leaves out.
 * @returns null when there are none
 * @throws GatewayError INVALID_REQUEST, or DEPENDENCY_UNAVAILABLE when it cannot be known whether a named tool is there
 */
export async function enableTools(
  request: CreateChatCompletionRequest,
  toolbox: Toolbox,
  tenant: string,
  fieldName: FieldName,
): Promise<EnabledTools | null> {
  const names = request.options?.gatewayTools ?? [];
  if ((names.length === 0 && request.tools.length === 0) || isOff(names)) return null;
  const listed = request.tools.length > 0 || names.some((name) => prefixOf(name) !== null);
  const known = listed ? byName(await toolbox.list(tenant)) : noTools;
  const enabled = new Map<string, Tool>();
  const tools: ModelTool[] = [];
  let clientHasOwn = false;
  // Functions of the older form are the client's: the gateway answers none of its calls.
  const mayRunListed = request.parameters?.legacyFunctions !== true;
  const taken = new Set<string>();
  for (const tool of request.tools) {
    const own = mayRunListed && tool.kind.case === 'function' ? known.get(tool.kind.value.name) : undefined;
    if (own === undefined) clientHasOwn = true;
    else enabled.set(own.name, own);
    if (tool.kind.case === 'custom') taken.add(tool.kind.value.name);
    tools.push(own === undefined ? tool : completed(tool, own));
  }
  const found = await Promise.all(
    names.map(async (name) => {
      const prefix = prefixOf(name);
      if (prefix === null) return [known.get(name) ?? (await toolbox.find(tenant, name))];
      const all = [...known.values()].filter((tool) => tool.name.startsWith(prefix));
      return all.length === 0 ? [null] : all.sort((a, b) => (a.name < b.name ? -1 : 1));
    }),
  );
  found.forEach((some, i) => {
    const field = fieldName('options', `gateway_tools[${i}]`);
    for (const tool of some) {
      if (tool === null) throw invalidRequest(field, `the gateway has no tool ${JSON.stringify(names[i])}`);
      if (taken.has(tool.name)) {
        throw invalidRequest(field, `the request has a custom tool ${JSON.stringify(tool.name)} of its own`);
      }
      if (enabled.has(tool.name)) continue;
      enabled.set(tool.name, tool);
      tools.push(definitionOf(tool));
    }
  });
  if (enabled.size === 0) return null;
  if (tools.length > maxTools) {
    throw invalidRequest(
      fieldName('options', 'gateway_tools'),
      `with the gateway's tools the request has more than ${maxTools} tools`,
    );
  }
  const enabling = { tools: enabled, request: { ...request, tools }, clientHasOwn };
  checkRest(enabling.request, fieldName);
  return enabling;
}

/** What of a request has to fit to the tools that it enables. @throws GatewayError INVALID_REQUEST */
function checkRest(
  { parameters, toolChoice, tools }: CreateChatCompletionRequest,
  fieldName: FieldName,
): void {
  if ((parameters?.n ?? 1) > 1) {
    throw invalidRequest(
      fieldName('parameters', 'n'),
      "n has to be 1 when the gateway's tools may be called: it goes on with one answer",
    );
  }
  if (toolChoice?.mode !== ToolChoice_Mode.NAMED || toolChoice.custom) return;
  const { name } = toolChoice;
  if (tools.some(({ kind }) => kind.case !== 'function' || kind.value.name === name)) return;
  throw invalidRequest(fieldName('', 'tool_choice'), `there is no tool ${JSON.stringify(name)} to choose`);
}

const noTools: ReadonlyMap<string, Tool> = new Map();
/** Of lists that are still the same. */
const indexes = new WeakMap<readonly Tool[], ReadonlyMap<string, Tool>>();

function byName(tools: readonly Tool[]): ReadonlyMap<string, Tool> {
  let index = indexes.get(tools);
  if (index === undefined) {
    const fresh = new Map<string, Tool>();
    // The first of a name wins, as it does in the list's order.
    for (const tool of tools) if (!fresh.has(tool.name)) fresh.set(tool.name, tool);
    index = fresh;
    indexes.set(tools, index);
  }
  return index;
}

/** A tool of the gateway as models are told of it. */
export const definitionOf = ({ name, description, parametersJson }: Tool): ModelTool =>
  build.tool({ case: 'function', value: build.functionTool(name, { description, parametersJson }) });

/** A client's definition with what it leaves out. */
function completed(tool: ModelTool, own: Tool): ModelTool {
  if (tool.kind.case !== 'function') return tool;
  const { value } = tool.kind;
  if (value.description !== '' && value.parametersJson !== '') return tool;
  const description = value.description === '' ? own.description : value.description;
  const parametersJson = value.parametersJson === '' ? own.parametersJson : value.parametersJson;
  return { ...tool, kind: { case: 'function', value: { ...value, description, parametersJson } } };
}
