import type { CallReport } from '../../gen/llmgateway/v1/completion_pb.js';
import type { StreamEvent } from '../model/events.ts';

/**
 * Makes copies of what a reader may change of the events that others read as well.
 * @param report tells of the reader's own call; null for the one whose report the events have
 */
export const ownEvents =
  (report: CallReport | null) =>
  (batch: readonly StreamEvent[]): readonly StreamEvent[] => {
    const own = new Array<StreamEvent>(batch.length);
    for (let i = 0; i < batch.length; i++) own[i] = ownEvent(batch[i] as StreamEvent, report);
    return own;
  };

function ownEvent(one: StreamEvent, report: CallReport | null): StreamEvent {
  const { event } = one;
  switch (event.case) {
    case 'delta':
      return { ...one, event: { case: 'delta', value: { ...event.value } } };
    case 'started':
      if (report === null) return one;
      return { ...one, event: { case: 'started', value: { ...event.value, callReport: report } } };
    case 'finished':
      if (report === null) return one;
      return { ...one, event: { case: 'finished', value: { ...event.value, callReport: report } } };
    default:
      return one;
  }
}
