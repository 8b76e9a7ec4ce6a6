import type { RedisConnection } from './connection.ts';
import * as scripts from './response-scripts.ts';

/** A response as the index knows it. */
export interface OpenEntry {
  readonly tenant: string;
  readonly id: string;
  readonly createdUs: number;
}

/** Parts of the index; each is a key of its own, so that a Cluster's nodes share it. */
const shards = 16;
/** Entries of one part that are looked at in one go. */
const perShard = 4;

/** In a tag, nothing of the tenant's may end it. */
export const tag = (tenant: string): string => encodeURIComponent(tenant);

/**
 * Says which responses may have to be gone on with. It is a hint: a response's own hash says what is so, and the index may have entries of
 * responses that are over, gone or in somebody's hands. An entry is there before its response is, until somebody sees that the response
 * is not open any more; while the response is looked after it is due about once a lease, and is put off then.
 */
export class OpenIndex {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  /** Adds an entry, or moves it, to be looked after in so many milliseconds. @throws GatewayError DEPENDENCY_UNAVAILABLE */
  async add(entry: OpenEntry, delayMs: number): Promise<void> {
    await this.#schedule(entry, delayMs, 'set');
  }

  /**
   * Adds an entry that should be there, should it have been lost, and sees to it that it is due no later than in so many milliseconds. Where
   * this fails, the next one who comes by does it.
   */
  async restore(entry: OpenEntry, delayMs: number): Promise<void> {
    await this.#schedule(entry, delayMs, 'sooner').catch(() => {});
  }

  /** Moves an entry that is there. Where this fails, somebody looks after it sooner than needed. */
  async putOff(entry: OpenEntry, delayMs: number): Promise<void> {
    await this.#schedule(entry, delayMs, 'move').catch(() => {});
  }

  /** Where this fails, the one who looks after it next does it. */
  async remove(entry: OpenEntry): Promise<void> {
    const member = memberOf(entry);
    await this.#redis.command('ZREM', keyOf(member), member).catch(() => {});
  }

  /** What is due, the longest first, and why it may not be all. */
  async due(): Promise<{ entries: OpenEntry[]; hasMore: boolean; failure: unknown }> {
    const keys = Array.from({ length: shards }, (_, shard) => shardKey(shard));
    const replies = await Promise.allSettled(
      keys.map((key) => this.#redis.run(scripts.due, [key], [perShard])),
    );
    const found: { entry: OpenEntry; sinceMs: number }[] = [];
    let failure: unknown = null;
    let hasMore = false;
    for (const reply of replies) {
      if (reply.status === 'rejected') {
        failure = reply.reason;
        continue;
      }
      const values = (reply.value as Buffer[]).map(String);
      hasMore ||= values.length === perShard * 2;
      for (let i = 0; i < values.length; i += 2) {
        found.push({ entry: entryOf(values[i] as string), sinceMs: Number(values[i + 1]) });
      }
    }
    found.sort((a, b) => b.sinceMs - a.sinceMs);
    return { entries: found.map(({ entry }) => entry), hasMore, failure };
  }

  async #schedule(entry: OpenEntry, delayMs: number, how: 'set' | 'sooner' | 'move'): Promise<void> {
    const member = memberOf(entry);
    await this.#redis.run(scripts.schedule, [keyOf(member)], [delayMs, how, member]);
  }
}

const memberOf = ({ tenant, id, createdUs }: OpenEntry): string => `${createdUs}:${tag(tenant)}/${id}`;

function entryOf(member: string): OpenEntry {
  const colon = member.indexOf(':');
  const slash = member.indexOf('/');
  return {
    tenant: decodeURIComponent(member.slice(colon + 1, slash)),
    id: member.slice(slash + 1),
    createdUs: Number(member.slice(0, colon)),
  };
}

const shardKey = (shard: number): string => `llmgateway:responses:open:{${shard}}`;

function keyOf(member: string): string {
  let hash = 0;
  for (let i = 0; i < member.length; i++) hash = (hash * 31 + member.charCodeAt(i)) % 2 ** 31;
  return shardKey(hash % shards);
}
