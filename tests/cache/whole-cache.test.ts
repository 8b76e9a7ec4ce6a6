import { expect, test } from 'vitest';
import { AnswerCache } from '../../src/cache/answer-cache.ts';
import type { CacheStore } from '../../src/cache/store.ts';
import { wholeCache } from '../../src/context/cache.ts';
import { createLogger } from '../../src/observability/log.ts';
import type { Answer } from '../../src/workers/channel.ts';
import type { Crew } from '../../src/workers/crew.ts';

const log = createLogger({ service: 't', level: 'ERROR', sink: () => {} });
const terms = () => ({ ttlMs: 1_000, maxEntryBytes: 1_000, deterministicOnly: false });

/** Workers that ask each other, each with its store of seven entries. */
function workers(size: number, isShared: boolean) {
  const asked = { status: 0 };
  const members = Array.from({ length: size }, () => new Map<string, Answer>());
  const store: CacheStore = {
    get: () => null,
    put: () => {},
    clear: async () => 0,
    async status() {
      asked.status++;
      return { entries: 7, bytes: 70, oldestMs: 5, newestMs: 3, averageUses: null };
    },
  };
  const caches = members.map((answers, i) => {
    const cache = new AnswerCache({ store, terms, log });
    cache.counts.hit = i + 1;
    const crew: Crew = {
      number: i + 1,
      size,
      answer: (name, answer) => void answers.set(name, answer),
      askAll: (name, value) => Promise.all(members.map(async (one) => one.get(name)?.(value))),
      tellOthers: () => {},
    };
    return wholeCache(cache, crew, isShared);
  });
  return { first: caches[0]!, asked };
}

test('a store that workers share is asked once for how it stands, and they for what each has counted', async () => {
  const { first, asked } = workers(4, true);
  expect(await first.status()).toMatchObject({ entries: 7, oldestMs: 5, counts: { hit: 10 } });
  expect(asked.status).toBe(1);
});

test('what each worker keeps is summed up', async () => {
  const { first, asked } = workers(3, false);
  expect(await first.status()).toMatchObject({ entries: 21, bytes: 210, counts: { hit: 6 } });
  expect(asked.status).toBe(3);
});
