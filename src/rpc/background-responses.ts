import type { Response, ResponseEvent } from '../../gen/llmgateway/v1/responses_service_pb.js';
import type { Logger } from '../observability/log.ts';
import { abandoned } from '../responses/errors.ts';
import { itemIds, nextItemNumber } from '../responses/ids.ts';
import { decodeBody, decodeEvents, decodeItems, encodeBody, encodeEvents } from '../responses/items.ts';
import { LifeCycle } from '../responses/life-cycle.ts';
import { type Rebuilt, rebuilt } from '../responses/rebuild.ts';
import type { ClaimedResponse, StoredResponse } from '../responses/store.ts';
import type { Watchers } from '../responses/watchers.ts';
import type { Making, ResponseMaker } from './response-maker.ts';
import type { ResponseCallContext, ResponseTerms } from './responses-api.ts';

export interface BackgroundParts {
  readonly maker: ResponseMaker;
  readonly holder: string;
  readonly watchers: Watchers;
  readonly terms: () => ResponseTerms;
  /** The context of a call that no client waits for. */
  readonly contextOf: (tenant: string, id: string, maker: string) => ResponseCallContext;
  readonly log: Logger;
}

/** How often a gateway looks for responses that are queued or abandoned, in milliseconds. */
const claimEveryMs = 1_000;
/** Events that are read at once. */
const pageSize = 1_024;

/** Responses that are made without a client: those of this gateway, queued ones, and those whose gateway died. */
export class BackgroundResponses {
  readonly #parts: BackgroundParts;
  readonly #timer: NodeJS.Timeout;
  #looking = false;
  #closed = false;
  /** Whether there may be some that this gateway had no room for. */
  #waiting = false;

  constructor(parts: BackgroundParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => void this.#look(), claimEveryMs).unref();
  }

  /** Stores a response and makes it, now or when there is room. @returns when it is stored */
  async add(making: Making, context: ResponseCallContext): Promise<void> {
    const { maker, terms } = this.#parts;
    if (this.#closed || maker.count >= terms().maxBackground) {
      await maker.enqueue(making);
      this.#waiting = true;
      return;
    }
    await maker.begin(making);
    void maker.alone(making, context, 0);
  }

  /** Ends a response whose gateway was not heard of any more, unless somebody else does, or begins it anew where that is configured. */
  async bury(tenant: string, id: string): Promise<void> {
    const { maker, holder, terms } = this.#parts;
    if (this.#closed) return;
    const claimed = await maker.store.take(tenant, id, holder, terms().leaseMs);
    if (claimed !== null) await this.#goOn(claimed);
  }

  /** Ends a response at which nobody works, with a last event. */
  async endUnheld(
    { tenant, response: stored }: ClaimedResponse,
    end: (lifeCycle: LifeCycle, out: ResponseEvent[]) => void,
  ): Promise<void> {
    const { maker, holder, watchers } = this.#parts;
    const { id, eventCount } = stored;
    const begun = decodeBody(stored.body);
    const { response } = eventCount === 0 ? { response: begun } : await this.#replay(tenant, stored, begun);
    const lifeCycle = new LifeCycle({ response, newId: itemIds(id), now: () => 0, from: eventCount });
    const out: ResponseEvent[] = [];
    if (eventCount === 0) lifeCycle.open(out);
    end(lifeCycle, out);
    await maker.store.end(tenant, id, {
      holder,
      after: eventCount,
      events: encodeEvents(out),
      body: encodeBody(lifeCycle.response),
      maxBytes: Number.MAX_SAFE_INTEGER,
    });
    watchers.notify(id);
  }

  /** There may be room for one that waits. */
  onOver(): void {
    if (this.#waiting) void this.#look();
  }

  /** Takes nothing on any more. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const { maker, holder, terms, log } = this.#parts;
    if (this.#looking || this.#closed) return;
    this.#looking = true;
    try {
      while (!this.#closed && maker.count < terms().maxBackground) {
        const claimed = await maker.store.claim(holder, terms().leaseMs);
        if (claimed === null) {
          this.#waiting = false;
          break;
        }
        await this.#goOn(claimed);
      }
    } catch (error) {
      log.debug('waiting responses could not be looked for', { error });
    } finally {
      this.#looking = false;
    }
  }

  async #goOn(claimed: ClaimedResponse): Promise<void> {
    const { maker, contextOf, terms, log } = this.#parts;
    const { tenant, response: stored, wasBegun } = claimed;
    const begun = decodeBody(stored.body);
    const isBackground = begun.parameters?.background === true;
    const context = contextOf(tenant, stored.id, stored.maker);
    if (stored.cancelled) return this.endUnheld(claimed, (lifeCycle, out) => lifeCycle.cancel(out));
    if (wasBegun && (terms().resume === 'fail' || !isBackground)) {
      log.warn('a response was abandoned by its gateway', { response_id: stored.id });
      const error = abandoned();
      return this.endUnheld(claimed, (lifeCycle, out) =>
        lifeCycle.fail(error.detail(stored.id), error.rawMessage, out),
      );
    }
    // What was made of it counts no more, but those who followed have heard of it: items and events are numbered on.
    const before = stored.eventCount > 0 ? await this.#replay(tenant, stored, begun) : undefined;
    const items = decodeItems(stored.input);
    const known = [...items, ...(before?.response.output ?? [])].map(({ id }) => id);
    const newId = itemIds(stored.id, nextItemNumber(stored.id, known));
    const making: Making = {
      tenant,
      reached: true,
      maker: stored.maker,
      response: begun,
      items,
      added: items,
      facts: stored,
      newId,
    };
    if (wasBegun) log.info('a response of another gateway is begun anew', { response_id: stored.id });
    void maker.alone(making, context, stored.eventCount, before);
  }

  /** A response as far as its log says. */
  async #replay(tenant: string, { id, eventCount }: StoredResponse, begun: Response): Promise<Rebuilt> {
    const { store } = this.#parts.maker;
    const events: Uint8Array[] = [];
    while (events.length < eventCount) {
      const page = await store.events(tenant, id, events.length, pageSize);
      if (page === null || page.events.length === 0) break;
      events.push(...page.events);
    }
    return rebuilt(begun, decodeEvents(events));
  }
}
