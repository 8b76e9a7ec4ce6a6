import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import { type GatewayError, toGatewayError } from '../errors/gateway-error.ts';
import { type EventStream, tapEvents } from '../model/events.ts';
import { notedUsage } from '../usage/cut-off.ts';
import { answerOf, type Call, type Handler, type Reply } from './call.ts';
import { leaving } from './leaving.ts';

/**
 * Told of a call once, when it is over: a streamed one when its stream is.
 * @param error null when it succeeded
 * @param usage what its answer says, or of one that was cut off what is known; undefined where nothing is
 * @param streamedAt when its first output was there, on the clock of performance.now(); null for what is not streamed
 */
export type OnOver = (
  error: GatewayError | null,
  usage: Usage | undefined,
  streamedAt: number | null,
) => void;

/** The call's reply, and somebody who is told when it is over. */
export function whenOver(next: Handler, call: Call, over: OnOver): Promise<Reply> {
  return answerOf(next, call).then(
    (reply) => {
      if (reply.kind === 'stream') return watched(reply.events, call, over);
      over(null, reply.kind === 'count' ? undefined : reply.response.usage, null);
      return reply;
    },
    (error: unknown) => {
      over(toGatewayError(error), undefined, null);
      throw error;
    },
  );
}

function watched(stream: EventStream, call: Call, over: OnOver): Reply {
  const at = performance.now();
  let usage: Usage | undefined;
  const events = tapEvents(stream, {
    events(batch) {
      const last = batch[batch.length - 1]?.event;
      if (last?.case === 'finished') usage = last.value.usage;
    },
    end: (error) => {
      if (error === null) over(null, usage, at);
      else over(toGatewayError(error), usage ?? notedUsage(call.report), at);
    },
    abandoned: () => over(leaving(call), usage ?? notedUsage(call.report), at),
  });
  return { kind: 'stream', events };
}
