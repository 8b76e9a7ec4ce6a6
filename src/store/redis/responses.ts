import type {
  CancelResult,
  ClaimedResponse,
  EventAppend,
  EventPage,
  NewResponse,
  ResponseEnd,
  ResponseFacts,
  ResponseStore,
  StepResult,
  StoredResponse,
} from '../../responses/store.ts';
import { pack, packList, sizeOf, unpack, unpackList } from '../packed.ts';
import type { Argument, RedisConnection } from './connection.ts';
import { RedisConversations } from './conversations.ts';
import { type OpenEntry, OpenIndex, tag } from './open-index.ts';
import * as scripts from './response-scripts.ts';

export interface RedisResponsesOptions {
  /** In microseconds since 1970. Default: the system's clock. */
  readonly nowUs?: () => number;
}

/** How often one claim looks at what is due, and how many responses out of reach it bears. */
const claimRounds = 4;
const claimFailures = 3;
/** When one that could not be reached is tried again, in milliseconds. */
const unreachableMs = 1_000;
/** How long an entry may be there before its response is, in milliseconds: far longer than any command takes. */
const ghostMs = 600_000;
/** Index entries of items that are written at the same time. */
const atOnce = 64;

/**
 * Responses in Redis. The keys of a response have the tenant and its id as their hash tag, so that each decision about it is in one slot
 * of a Cluster. Nothing is tried again here: whoever calls knows how long it can wait.
 */
export class RedisResponses extends RedisConversations implements ResponseStore {
  readonly #redis: RedisConnection;
  readonly #nowUs: () => number;
  readonly #open: OpenIndex;

  constructor(redis: RedisConnection, options: RedisResponsesOptions = {}) {
    const nowUs = options.nowUs ?? (() => Date.now() * 1000);
    super(redis, nowUs);
    this.#redis = redis;
    this.#nowUs = nowUs;
    this.#open = new OpenIndex(redis);
  }

  /** The index comes first: an entry without its response is passed over, a response without its entry would be forgotten. */
  async create(tenant: string, response: NewResponse): Promise<void> {
    const { id, createdUs, expiresUs, open } = response;
    const [body, input] = await Promise.all([pack(response.body), packList(response.input)]);
    const lease = open === 'over' ? null : open;
    if (open !== 'over') await this.#open.add({ tenant, id, createdUs }, lease?.leaseMs ?? 0);
    await this.#redis.run(scripts.create, keysOf(tenant, id), [
      this.#nowUs(),
      createdUs,
      expiresUs,
      body,
      input,
      response.body.length + sizeOf(response.input),
      open === 'over' ? 0 : 1,
      lease?.holder ?? '',
      lease?.leaseMs ?? 0,
      response.maker,
    ]);
  }

  async read(tenant: string, id: string): Promise<StoredResponse | null> {
    const reply = (await this.#redis.run(scripts.read, keysOf(tenant, id), [this.#nowUs()])) as
      | Buffer[]
      | null;
    if (reply === null) return null;
    const [created, , , open, abandoned, , , holder] = reply;
    if (isOne(open) && (isOne(abandoned) || String(holder) === '')) {
      void this.#open.restore({ tenant, id, createdUs: Number(created) }, 0);
    }
    return responseOf(id, reply);
  }

  async delete(tenant: string, id: string): Promise<boolean> {
    const created = await this.#redis.run(scripts.remove, keysOf(tenant, id), [this.#nowUs()]);
    if (created === null) return false;
    void this.#open.remove({ tenant, id, createdUs: Number(created) });
    return true;
  }

  async append(tenant: string, id: string, what: EventAppend, leaseMs: number): Promise<StepResult> {
    const [result] = await this.#step(tenant, id, what, leaseMs, '');
    return result as StepResult;
  }

  async end(tenant: string, id: string, what: ResponseEnd): Promise<StepResult> {
    const [result, created] = await this.#step(tenant, id, what, 0, await pack(what.body));
    if (created !== undefined) void this.#open.remove({ tenant, id, createdUs: Number(created) });
    return result as StepResult;
  }

  async extend(tenant: string, id: string, holder: string, leaseMs: number): Promise<StepResult> {
    const [result, created] = await this.#texts(scripts.extend, tenant, id, [holder, leaseMs]);
    if (created !== undefined) void this.#open.restore({ tenant, id, createdUs: Number(created) }, leaseMs);
    return result as StepResult;
  }

  async events(tenant: string, id: string, from: number, limit: number): Promise<EventPage | null> {
    const args = [this.#nowUs(), from, limit];
    const reply = (await this.#redis.run(scripts.events, keysOf(tenant, id), args)) as Buffer[] | null;
    if (reply === null) return null;
    const [holder, open, abandoned, created, ...events] = reply;
    if (isOne(abandoned) || (isOne(open) && String(holder) === '')) {
      void this.#open.restore({ tenant, id, createdUs: Number(created) }, 0);
    }
    return { events, over: !isOne(open), abandoned: isOne(abandoned) };
  }

  async cancel(tenant: string, id: string): Promise<CancelResult> {
    const [result, created] = await this.#texts(scripts.cancel, tenant, id, []);
    if (result === 'unheld') void this.#open.restore({ tenant, id, createdUs: Number(created) }, 0);
    return result as CancelResult;
  }

  async take(tenant: string, id: string, holder: string, leaseMs: number): Promise<ClaimedResponse | null> {
    const reply = await this.#take(tenant, id, holder, leaseMs, true);
    return String(reply[0]) === 'taken' ? claimOf(tenant, id, reply) : null;
  }

  /** Whatever part of the index or which response is out of reach, the others are given out. */
  async claim(holder: string, leaseMs: number): Promise<ClaimedResponse | null> {
    let failure: unknown = null;
    let failures = 0;
    for (let round = 0; round < claimRounds; round++) {
      const due = await this.#open.due();
      failure ??= due.failure;
      const moved: Promise<void>[] = [];
      for (const entry of due.entries) {
        try {
          const reply = await this.#take(entry.tenant, entry.id, holder, leaseMs, false);
          const kind = String(reply[0]);
          if (kind === 'taken') {
            void this.#open.putOff(entry, leaseMs);
            return await claimOf(entry.tenant, entry.id, reply);
          }
          moved.push(this.#settle(entry, kind, Number(reply[1])));
        } catch (error) {
          failure = error;
          moved.push(this.#open.putOff(entry, unreachableMs));
          if (++failures === claimFailures) break;
        }
      }
      await Promise.all(moved);
      if (!due.hasMore || failures === claimFailures) break;
    }
    if (failure !== null) throw failure;
    return null;
  }

  async indexItems(tenant: string, facts: ResponseFacts, itemIds: readonly string[]): Promise<void> {
    const { id, expiresUs } = facts;
    const ttlMs = Math.ceil((expiresUs - this.#nowUs()) / 1000);
    if (ttlMs <= 0) return;
    const value = `${expiresUs}:${id}`;
    for (let at = 0; at < itemIds.length; at += atOnce) {
      const some = itemIds.slice(at, at + atOnce);
      await Promise.all(
        some.map((itemId) => this.#redis.command('SET', itemKey(tenant, itemId), value, 'PX', ttlMs)),
      );
    }
  }

  async findItem(tenant: string, itemId: string): Promise<string | null> {
    const value = (await this.#redis.command('GET', itemKey(tenant, itemId))) as Buffer | null;
    if (value === null) return null;
    const [expires = '', id = ''] = splitOnce(String(value));
    return Number(expires) > this.#nowUs() ? id : null;
  }

  /** Does to an entry that is due what becomes it. */
  async #settle(entry: OpenEntry, kind: string, leftMs: number): Promise<void> {
    if (kind === 'held') return this.#open.putOff(entry, Math.max(leftMs, 1));
    const ageMs = (this.#nowUs() - entry.createdUs) / 1000;
    // Its response may be about to be made. One that is not is looked for less and less often.
    if (kind === 'gone' && ageMs < ghostMs)
      return this.#open.putOff(entry, Math.max(Math.ceil(ageMs / 2), unreachableMs));
    return this.#open.remove(entry);
  }

  async #take(tenant: string, id: string, holder: string, leaseMs: number, own: boolean): Promise<Buffer[]> {
    const args = [this.#nowUs(), holder, leaseMs, own ? 1 : 0];
    return (await this.#redis.run(scripts.take, keysOf(tenant, id), args)) as Buffer[];
  }

  async #step(
    tenant: string,
    id: string,
    { holder, after, events, maxBytes }: EventAppend,
    leaseMs: number,
    body: Buffer | '',
  ): Promise<string[]> {
    const args: Argument[] = [holder, after, maxBytes, leaseMs, body];
    for (const event of events) args.push(Buffer.from(event.buffer, event.byteOffset, event.length));
    return this.#texts(scripts.step, tenant, id, args);
  }

  async #texts(
    what: (typeof scripts)['step'],
    tenant: string,
    id: string,
    args: readonly Argument[],
  ): Promise<string[]> {
    const reply = await this.#redis.run(what, keysOf(tenant, id), [this.#nowUs(), ...args]);
    return (reply as Buffer[]).map(String);
  }
}

const keysOf = (tenant: string, id: string): string[] => {
  const response = `llmgateway:response:{${tag(tenant)}/${id}}`;
  return [response, `${response}:input`, `${response}:events`];
};

const itemKey = (tenant: string, itemId: string): string => `llmgateway:item:{${tag(tenant)}/${itemId}}`;

const isOne = (value: Buffer | undefined): boolean => String(value) === '1';

const splitOnce = (text: string): string[] => {
  const colon = text.indexOf(':');
  return [text.slice(0, colon), text.slice(colon + 1)];
};

/** created, expires, body, open, abandoned, cancelled, count, holder, input, maker. */
async function responseOf(id: string, reply: readonly Buffer[]): Promise<StoredResponse> {
  const [created, expires, body, open, abandoned, cancelled, count, , input, maker] = reply;
  return {
    id,
    createdUs: Number(created),
    expiresUs: Number(expires),
    body: await unpack(body as Buffer),
    // An empty list is packed as well: what is not there at all has just been cleared away.
    input: input === undefined || input.length === 0 ? [] : await unpackList(input),
    maker: String(maker ?? ''),
    open: isOne(open),
    abandoned: isOne(abandoned),
    cancelled: isOne(cancelled),
    eventCount: Number(count),
  };
}

/** 'taken', begun, then the response. */
const claimOf = async (
  tenant: string,
  id: string,
  [, begun, ...rest]: Buffer[],
): Promise<ClaimedResponse> => ({
  tenant,
  response: await responseOf(id, rest),
  wasBegun: isOne(begun),
});
