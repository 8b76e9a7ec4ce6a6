import type { SensitivityReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { type GatewayError, toGatewayError } from '../errors/gateway-error.ts';
import type { CallContext } from './call-context.ts';

/** A call that goes to a service of the platform or to a tool, and to no model. */
export interface ServiceCall {
  readonly kind: 'integration' | 'workflow' | 'tool';
  readonly context: CallContext;
  readonly service: string;
  readonly operation: string;
  /** End user, as the client names it. */
  readonly user?: string;
  /** Set where somebody looked. */
  readonly sensitivity: SensitivityReport | null;
  /** It was answered, and the answer says that the tool failed. */
  readonly hasFailed?: boolean;
  /** On the clock of performance.now(). */
  readonly began: number;
}

/** Told of each when it is over. @param error null when it succeeded */
export type OnServiceCall = (call: ServiceCall, error: GatewayError | null) => void;

/**
 * Makes such a call, and tells of it, whatever it ends with. Rejects with GatewayError.
 * @param make is to say what was found of its texts, where somebody looks, and of an answer that is none
 */
export async function asServiceCall<T>(
  call: Omit<ServiceCall, 'began' | 'sensitivity' | 'hasFailed'>,
  onOver: OnServiceCall,
  make: (found: (sensitivity: SensitivityReport | null) => void, failed: () => void) => Promise<T>,
): Promise<T> {
  const began = performance.now();
  let sensitivity: SensitivityReport | null = null;
  let hasFailed = false;
  let answer: T;
  try {
    answer = await make(
      (found) => {
        sensitivity = found;
      },
      () => {
        hasFailed = true;
      },
    );
  } catch (cause) {
    const error = toGatewayError(cause);
    if (sensitivity !== null) error.sensitivity ??= sensitivity;
    onOver({ ...call, sensitivity: error.sensitivity ?? null, began }, error);
    throw error;
  }
  onOver({ ...call, sensitivity, began, hasFailed }, null);
  return answer;
}
