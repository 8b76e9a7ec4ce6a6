import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Logger } from '../observability/log.ts';
import { itemIds } from '../responses/ids.ts';
import { decodeBody, decodeEvents, decodeItems, encodeBody, encodeEvents } from '../responses/items.ts';
import { LifeCycle } from '../responses/life-cycle.ts';
import { rebuilt } from '../responses/rebuild.ts';
import type { ClaimedResponse } from '../responses/store.ts';
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

  constructor(parts: BackgroundParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => void this.#look(), claimEveryMs).unref();
  }

  /** Stores a response and makes it, now or when there is room. @returns when it is stored */
  async add(making: Making, context: ResponseCallContext): Promise<void> {
    const { maker, terms } = this.#parts;
    if (maker.count >= terms().maxBackground) return maker.enqueue(making);
    await maker.begin(making);
    void maker.alone(making, context, 0);
  }

  /** Ends a response whose gateway was not heard of any more, unless somebody else does, or begins it anew where that is configured. */
  async bury(tenant: string, id: string): Promise<void> {
    const { maker, holder, terms } = this.#parts;
    const claimed = await maker.store.take(tenant, id, holder, terms().leaseMs);
    if (claimed !== null) await this.#goOn(claimed);
  }

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
        if (claimed === null) break;
        await this.#goOn(claimed);
      }
    } catch (error) {
      log.debug('waiting responses could not be looked for', { error });
    } finally {
      this.#looking = false;
    }
  }

  async #goOn({ tenant, response: stored, wasBegun }: ClaimedResponse): Promise<void> {
    const { maker, contextOf, terms, log } = this.#parts;
    const begun = decodeBody(stored.body);
    const isBackground = begun.parameters?.background === true;
    const context = contextOf(tenant, stored.id, stored.maker);
    if (wasBegun && (terms().resume === 'fail' || !isBackground)) {
      log.warn('a response was abandoned by its gateway', { response_id: stored.id });
      return this.#fail(tenant, stored.id, stored.eventCount, begun);
    }
    const response = wasBegun
      ? rebuilt(begun, await this.#events(tenant, stored.id, stored.eventCount))
      : begun;
    const newId = itemIds(stored.id, 0x1000 + stored.eventCount);
    const items = decodeItems(stored.input);
    const making: Making = {
      tenant,
      maker: stored.maker,
      response,
      items,
      added: items,
      facts: stored,
      newId,
    };
    void maker.alone(making, context, stored.eventCount);
  }

  async #fail(
    tenant: string,
    id: string,
    logged: number,
    begun: ReturnType<typeof decodeBody>,
  ): Promise<void> {
    const { maker, holder, terms, watchers } = this.#parts;
    const response = rebuilt(begun, await this.#events(tenant, id, logged));
    const lifeCycle = new LifeCycle({ response, newId: itemIds(id), now: () => 0, from: logged });
    const error = new GatewayError(
      ErrorReason.INTERNAL,
      'the gateway that worked at the response has stopped',
    );
    const out: Parameters<LifeCycle['cancel']>[0] = [];
    lifeCycle.fail(error.detail(''), error.rawMessage, out);
    await maker.store.end(tenant, id, {
      holder,
      after: logged,
      events: encodeEvents(out),
      body: encodeBody(lifeCycle.response),
      maxBytes: terms().maxBytes,
    });
    watchers.notify(id);
  }

  async #events(tenant: string, id: string, count: number) {
    const events: Uint8Array[] = [];
    while (events.length < count) {
      const page = await this.#parts.maker.store.events(tenant, id, events.length, pageSize);
      if (page === null || page.events.length === 0) break;
      events.push(...page.events);
    }
    return decodeEvents(events);
  }
}
