import { Slots, type Slotted } from '../base/slots.ts';

/** A call under way. */
export interface OpenCall extends Slotted {
  /** Ends it. */
  abort(reason: unknown): void;
}

/** The calls under way, so that all can be ended at once. */
export class OpenCalls extends Slots<OpenCall> {
  abortAll(reason: unknown): void {
    for (const call of this.entries()) call.abort(reason);
  }
}
