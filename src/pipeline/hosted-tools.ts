import type { Tool } from '../../gen/llmgateway/v1/generation_pb.js';
import { invalidRequest, unsupportedParameter } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import { isOff } from '../model/gateway-tools.ts';
import { hostedType, plainType, withChoice } from '../responses/hosted-tools.ts';
import { definitionOf } from '../tools/enable.ts';
import type { Toolbox } from '../tools/toolbox.ts';
import type { ChatCall, Handler, Reply, Stage } from './call.ts';

export interface HostedToolsOptions {
  readonly toolbox: Toolbox;
  /** Names of the gateway's tools by the types of hosted tools that they stand for. Read anew for each call. */
  readonly standIns: () => ReadonlyMap<string, string>;
}

/**
 * Puts tools of the gateway in the place of hosted ones that a request by the Responses API has and its provider has not, as far as the
 * configuration names some. What is left of hosted tools is refused where the request is written.
 */
export const hostedToolsStage =
  (options: HostedToolsOptions): Stage =>
  (next) =>
  (call) =>
    call.kind === 'chat' && mayHaveSome(call) && options.standIns().size > 0
      ? replace(call, next, options)
      : next(call);

const mayHaveSome = ({ api, route, request }: ChatCall): boolean =>
  api === 'responses' &&
  route?.provider.responses === undefined &&
  !isOff(request.options?.gatewayTools ?? []) &&
  request.tools.some((tool) => hostedType(tool) !== '');

async function replace(
  call: ChatCall,
  next: Handler,
  { toolbox, standIns }: HostedToolsOptions,
): Promise<Reply> {
  const names = standIns();
  const nameOf = (type: string): string => names.get(type) ?? names.get(plainType(type)) ?? '';
  const enabled = new Map(call.tools?.enabled);
  const tools: Tool[] = [];
  let clientHasOwn = false;
  for (const [i, tool] of call.request.tools.entries()) {
    const type = hostedType(tool);
    const name = type === '' ? '' : nameOf(type);
    if (name === '') {
      if (tool.kind.case !== 'function' || !enabled.has(tool.kind.value.name)) clientHasOwn = true;
      tools.push(tool);
      continue;
    }
    if (enabled.has(name)) continue;
    const found = await toolbox.find(call.principal.tenant, name);
    if (found === null) {
      missing(call, `tools[${i}]`, type, name);
      continue;
    }
    checkFree(call.request.tools, name, `tools[${i}]`);
    enabled.set(name, found);
    tools.push(definitionOf(found));
  }
  if (call.signal.aborted) throw call.signal.reason;
  call.request = withChoice({ ...call.request, tools }, nameOf, enabled);
  if (enabled.size > 0) {
    call.tools = { ...(call.tools ?? { rounds: 0, ran: new Set<string>() }), enabled, clientHasOwn };
  }
  return next(call);
}

function missing(call: ChatCall, field: string, type: string, name: string): void {
  const why = `the gateway has no tool ${JSON.stringify(name)}, which is to stand for ${type}`;
  if (call.request.options?.dropParams !== true) throw unsupportedParameter(field, why);
  call.report.warnings.push(build.warning('dropped_tool', why, field));
}

/** A tool of the client's by the same name that the gateway does not run. @throws GatewayError INVALID_REQUEST */
function checkFree(tools: readonly Tool[], name: string, field: string): void {
  const isTaken = tools.some(({ kind }) => kind.case === 'custom' && kind.value.name === name);
  if (isTaken)
    throw invalidRequest(field, `the request has a custom tool ${JSON.stringify(name)} of its own`);
}
