import { enableTools } from '../tools/enable.ts';
import type { Toolbox } from '../tools/toolbox.ts';
import type { ChatCall, Handler, Reply, Stage } from './call.ts';

export interface EnableToolsOptions {
  readonly toolbox: Toolbox;
  /** Whose tools a call may use. */
}

/**
 * Finds out which of the gateway's own tools a call enables, and adds their definitions to it, so that everything after it sees the
 * request as the model will.
 */
export const enableToolsStage =
  (options: EnableToolsOptions): Stage =>
  (next) =>
  (call) =>
    call.kind === 'chat' && mayHaveTools(call) ? enable(call, next, options) : next(call);

const mayHaveTools = ({ request: { tools, options } }: ChatCall): boolean =>
  tools.length > 0 || (options !== undefined && options.gatewayTools.length > 0);

async function enable(call: ChatCall, next: Handler, { toolbox }: EnableToolsOptions): Promise<Reply> {
  const fieldName = (place: string, name: string): string =>
    call.face === 'rpc' && place !== '' ? `${place}.${name}` : name;
  const enabled = await enableTools(call.request, toolbox, call.principal.tenant, fieldName);
  if (call.signal.aborted) throw call.signal.reason;
  if (enabled !== null) {
    const { tools, request, clientHasOwn } = enabled;
    call.request = request;
    call.tools = { enabled: tools, clientHasOwn, rounds: 0, ran: new Set() };
  }
  return next(call);
}
