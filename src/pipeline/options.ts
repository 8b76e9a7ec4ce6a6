import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { GatewayOptions } from '../../gen/llmgateway/v1/generation_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Stage } from './call.ts';

/** Options of the contract that no stage serves yet, and how to see that one is asked for. */
const unserved: Readonly<Record<string, (options: GatewayOptions) => boolean>> = {
  finish_when_abandoned: ({ finishWhenAbandoned }) => finishWhenAbandoned,
};

/** Refuses what is asked of the gateway itself and would be ignored: an answer without it is not what the client wanted. */
export const optionsStage: Stage = (next) => (call) => {
  const options = call.kind === 'chat' ? call.request.options : undefined;
  if (options !== undefined) {
    for (const [name, isAsked] of Object.entries(unserved)) {
      if (!isAsked(options)) continue;
      throw new GatewayError(
        ErrorReason.UNSUPPORTED_PARAMETER,
        `${name} is not served by this version of the gateway`,
        {
          field: call.face === 'rpc' ? `options.${name}` : name,
        },
      );
    }
  }
  return next(call);
};
