import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { ChatCall, Stage } from './call.ts';

/**
 * Refuses calls that are turns of a thread, a conversation that Anthropic's server keeps, where nobody keeps it: at other providers,
 * and where the gateway adds turns of its own. Without its thread such a call is a piece of a conversation. Anthropic's SDKs
 * know the refusal and send the whole.
 */
export const threadsStage: Stage = (next) => (call) => {
  if (call.kind === 'chat' && isTurnOfThread(call) && !isKept(call)) {
    throw new GatewayError(
      ErrorReason.UNSUPPORTED_PARAMETER,
      'thread is not kept here: send the whole conversation',
      { field: 'thread', provider: call.route?.provider.name ?? '' },
    );
  }
  return next(call);
};

function isTurnOfThread({ request: { extras } }: ChatCall): boolean {
  if (extras?.dialect !== 'anthropic.messages' || !extras.json.includes('"thread"')) return false;
  return ((JSON.parse(extras.json) as Record<string, unknown>)['thread'] ?? null) !== null;
}

const isKept = ({ route, tools, request }: ChatCall): boolean =>
  route?.provider.keepsThreads === true && tools === undefined && (request.options?.sessionId ?? '') === '';
