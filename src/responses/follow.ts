import { afterCall, type GatewayError } from '../errors/gateway-error.ts';
import { noSuchEvent, responseNotFound } from './errors.ts';
import { endOfResponse, type ResponseEventStream } from './event-stream.ts';
import { decodeEvents } from './items.ts';
import { patienceMs, persist } from './persist.ts';
import type { ResponseStore } from './store.ts';
import type { Watchers } from './watchers.ts';

export interface FollowParts {
  readonly store: ResponseStore;
  readonly tenant: string;
  readonly id: string;
  /** Number of the first event that is wanted. */
  readonly from: number;
  /** Where the client named the one before. */
  readonly field: string;
  readonly watchers: Watchers;
  /** Aborts when the client leaves or its time is up. */
  readonly signal: AbortSignal;
  /** Called when the response is found abandoned; ends it. */
  readonly bury: (tenant: string, id: string) => Promise<void>;
  /** Called once, when it is over. */
  readonly onOver: (error: GatewayError | null) => void;
}

/** Events that are read at once. */
const pageSize = 256;
/** Time until the log of another gateway's response is read again, in milliseconds: the least, and the most. */
const pollMs = [20, 250] as const;

/** The events of a stored response from a number on, and those that come: from the log, wherever the response is made. */
export function follow(parts: FollowParts): ResponseEventStream {
  const { store, tenant, id, from, field, watchers, signal, bury, onOver } = parts;
  let at = from;
  let over = false;

  const end = (error: GatewayError | null): void => {
    if (over) return;
    over = true;
    onOver(error);
  };

  /** One under way might have come to the event that the client named. */
  async function checkFrom(): Promise<void> {
    const { eventCount = 0 } = (await persist(() => store.read(tenant, id), patienceMs, signal)) ?? {};
    if (from > eventCount) throw noSuchEvent(from - 1, eventCount - 1, field);
  }

  return {
    async next() {
      let pause: number = pollMs[0];
      while (!over) {
        if (signal.aborted) {
          end(signal.reason as GatewayError);
          throw afterCall(signal.reason);
        }
        let page: Awaited<ReturnType<ResponseStore['events']>>;
        try {
          page = await persist(() => store.events(tenant, id, at, pageSize), patienceMs, signal);
          if (page === null) throw responseNotFound(id, 'response_id');
          if (page.over && page.events.length === 0 && at === from) await checkFrom();
        } catch (error) {
          end(error as GatewayError);
          throw afterCall(error);
        }
        if (page.events.length > 0) {
          at += page.events.length;
          return { done: false, value: decodeEvents(page.events) };
        }
        if (page.over) break;
        // Where this fails, it is tried again, here or by another gateway.
        if (page.abandoned) await bury(tenant, id).catch(() => {});
        await watchers.wait(id, pause, signal);
        pause = Math.min(pause * 1.5, pollMs[1]);
      }
      end(null);
      return endOfResponse;
    },
    return() {
      end(null);
      return Promise.resolve(endOfResponse);
    },
  };
}
