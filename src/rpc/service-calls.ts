import type { SensitivityReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { type GatewayError, toGatewayError } from '../errors/gateway-error.ts';
import type { CallContext } from './call-context.ts';

/** A call that goes to a service of the platform, and to no model. */
export interface ServiceCall {
  readonly kind: 'integration' | 'workflow';
  readonly context: CallContext;
  readonly service: string;
  readonly operation: string;
  /** End user, as the client names it. */
  readonly user?: string;
  /** Set where somebody looked. */
  readonly sensitivity?: SensitivityReport | null;
  /** On the clock of performance.now(). */
  readonly began: number;
}

/** Told of each when it is over. @param error null when it succeeded */
export type OnServiceCall = (call: ServiceCall, error: GatewayError | null) => void;

/** Makes such a call, and tells of it. Rejects with GatewayError. */
export async function asServiceCall<T>(
  call: Omit<ServiceCall, 'began'>,
  onOver: OnServiceCall,
  make: () => Promise<T>,
): Promise<T> {
  const whole = { ...call, began: performance.now() };
  let answer: T;
  try {
    answer = await make();
  } catch (cause) {
    const error = toGatewayError(cause);
    if (call.sensitivity) error.sensitivity ??= call.sensitivity;
    onOver(whole, error);
    throw error;
  }
  onOver(whole, null);
  return answer;
}
