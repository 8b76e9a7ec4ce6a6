import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Account,
  type Decision,
  type LimitRule,
  type LimitStore,
  windowNames,
} from '../../../src/limits/store.ts';
import { LimitModel } from '../../limits/model.ts';

export interface LimitsUnderTest {
  readonly store: LimitStore;
  /** The same store as another process sees it. */
  readonly other: LimitStore;
  /** The clock of both, in milliseconds. */
  readonly clock: { now: number };
}

export const rule = (changes: Partial<LimitRule> = {}): LimitRule => ({
  requestsPerMinute: 0,
  requestsPerHour: 0,
  tokensPerMinute: 0,
  burst: 0,
  cooldownMs: 0,
  concurrent: 0,
  ...changes,
});

const account = (changes: Partial<LimitRule>, name = `owner:${randomUUID()} ä{}`): Account => ({
  name,
  rule: rule(changes),
});

/** What every store of limits has to do. */
export function limitSuite(under: () => LimitsUnderTest, runs = 60): void {
  const take = async (
    accounts: readonly Account[],
    { tokens = 0, id = randomUUID() as string, store = under().store } = {},
  ): Promise<Decision & { id: string }> => ({ ...(await store.take({ id, accounts, tokens })), id });
  const settle = async (
    { id, numbers }: Decision & { id: string },
    accounts: readonly Account[],
    { uncounted = false, tokens = 0 } = {},
  ) => under().other.settle({ id, accounts, numbers, over: true, uncounted, tokens });
  const used = async (one: Account) => (await under().other.read([one]))[0]?.used;

  describe('limits', () => {
    test.each([
      ['requestsPerMinute', 60_000, 50],
      ['requestsPerHour', 3_600_000, 1_000],
      ['burst', 1_000, 10],
    ] as const)(
      '%s: not one too many, and one as soon as the first is old enough',
      async (field, span, step) => {
        const { clock, other } = under();
        const one = account({ [field]: 3 });
        clock.now = Math.ceil(clock.now / 1_000) * 1_000 + 3;
        for (let i = 0; i < 3; i++) {
          expect((await take([one], i === 1 ? { store: other } : {})).refusal).toBeNull();
          clock.now += span / 10;
        }
        const { refusal } = await take([one]);
        expect(refusal).toMatchObject({ account: 0 });
        const wait = refusal!.waitMs!;
        expect(wait + 0.3 * span).toBeGreaterThan(span);
        expect(wait + 0.3 * span).toBeLessThanOrEqual(span + step);
        clock.now += wait - 1;
        expect((await take([one])).refusal?.waitMs).toBe(1);
        clock.now += 1;
        expect((await take([one])).refusal).toBeNull();
        expect((await take([one])).refusal).not.toBeNull();
      },
    );

    test('of several accounts all let a call through, or none counts it', async () => {
      const [wide, narrow] = [account({ requestsPerMinute: 10 }), account({ requestsPerHour: 1 })];
      expect((await take([wide, narrow])).refusal).toBeNull();
      const { refusal, numbers } = await take([wide, narrow]);
      expect(refusal).toMatchObject({ account: 1, limit: 'hour' });
      // What is used, for whoever wants to tell the client.
      expect(numbers[3]).toBe(1);
      expect(await used(wide)).toEqual([0, 1, 0, 0]);
    });

    test('tokens: what is set aside counts until it is known what was used', async () => {
      const one = account({ tokensPerMinute: 100 });
      const first = await take([one], { tokens: 60 });
      expect((await take([one], { tokens: 41 })).refusal).toMatchObject({ limit: 'tokens' });
      await settle(first, [one], { tokens: -50 });
      expect(await used(one)).toEqual([0, 0, 0, 10]);
      const second = await take([one], { tokens: 90 });
      expect(second.refusal).toBeNull();
      await settle(second, [one], { tokens: 25 });
      expect(await used(one)).toEqual([0, 0, 0, 125]);
    });

    test('tokens: more than there can ever be is refused for ever', async () => {
      const one = account({ tokensPerMinute: 100, requestsPerMinute: 1 });
      await take([one], { tokens: 1 });
      const { refusal } = await take([one], { tokens: 101 });
      expect(refusal).toEqual({ account: 0, limit: 'tokens', waitMs: null });
    });

    test('what is used beyond the claim counts from when it is known, though the call began long ago', async () => {
      const { clock } = under();
      const one = account({ tokensPerMinute: 100 });
      const call = await take([one], { tokens: 20 });
      clock.now += 120_000;
      expect(await used(one)).toEqual([0, 0, 0, 0]);
      await settle(call, [one], { tokens: 30 });
      expect(await used(one)).toEqual([0, 0, 0, 30]);
      const late = await take([one], { tokens: 20 });
      clock.now += 120_000;
      await settle(late, [one], { tokens: -20 });
      expect(await used(one)).toEqual([0, 0, 0, 0]);
    });

    test('a call that is not to count gives back its request, not another’s', async () => {
      const { clock } = under();
      const one = account({ requestsPerMinute: 3, requestsPerHour: 3, burst: 3 });
      const first = await take([one]);
      clock.now += 500;
      await take([one]);
      await settle(first, [one], { uncounted: true });
      expect(await used(one)).toEqual([1, 1, 1, 0]);
      clock.now += 59_900;
      expect(await used(one)).toEqual([0, 1, 1, 0]);
    });

    test('a burst starts a pause that refuses everything, does not begin again, and ends', async () => {
      const { clock } = under();
      const one = account({ burst: 2, cooldownMs: 30_000 });
      for (let i = 0; i < 2; i++) expect((await take([one])).refusal).toBeNull();
      expect((await take([one])).refusal).toEqual({ account: 0, limit: 'cooldown', waitMs: 30_000 });
      clock.now += 10_000;
      expect((await take([one])).refusal).toEqual({ account: 0, limit: 'cooldown', waitMs: 20_000 });
      expect((await under().other.read([one]))[0]).toMatchObject({ cooldownMs: 20_000, waitMs: 20_000 });
      clock.now += 20_000;
      expect((await take([one])).refusal).toBeNull();
    });

    test('places are free once their calls are over, and of who is not heard of any more', async () => {
      const { clock, store, other } = under();
      const one = account({ concurrent: 2 });
      const [first, second] = [await take([one]), await take([one])];
      expect((await take([one], { store: other })).refusal).toEqual({
        account: 0,
        limit: 'concurrent',
        waitMs: null,
      });
      await settle(first, [one]);
      await settle(first, [one]).catch(() => {});
      const third = await take([one]);
      expect(third.refusal).toBeNull();
      if (store.leaseMs === null) return;
      clock.now += store.leaseMs - 1;
      await other.renew([{ id: second.id, accounts: [one] }]);
      clock.now += 1;
      expect((await take([one])).refusal).toBeNull();
      expect((await take([one])).refusal).toMatchObject({ limit: 'concurrent' });
    });

    test('what is forgotten begins anew; calls under way keep their places', async () => {
      const { other, clock } = under();
      const [one, two] = [
        account({ requestsPerMinute: 2, concurrent: 5 }),
        account({ requestsPerMinute: 2 }),
      ];
      const call = await take([one, two]);
      await take([one, two]);
      expect(await other.names()).toEqual(expect.arrayContaining([one.name, two.name]));
      clock.now += 100;
      await other.reset([one.name]);
      expect(await used(one)).toEqual([0, 0, 0, 0]);
      expect(await used(two)).toEqual([0, 2, 0, 0]);
      expect((await other.read([one]))[0]?.inFlight).toBe(2);
      await take([one]);
      await settle(call, [one], { uncounted: true });
      expect(await used(one)).toEqual([0, 1, 0, 0]);
      await other.reset(null);
      expect(await used(two)).toEqual([0, 0, 0, 0]);
      expect(await other.names()).not.toContain(two.name);
    });

    test('say by which rule an account was last counted, and stand by it', async () => {
      const { clock, other } = under();
      const wide = account({ requestsPerMinute: 9, requestsPerHour: 8, tokensPerMinute: 7, concurrent: 6 });
      await take([wide], { tokens: 3 });
      expect((await other.read([{ name: wide.name }]))[0]).toMatchObject({ rule: wide.rule, waitMs: 0 });
      const narrow: Account = {
        name: wide.name,
        rule: rule({ requestsPerMinute: 1, cooldownMs: 5, burst: 4 }),
      };
      expect((await take([narrow])).refusal).not.toBeNull();
      const [standing] = await other.read([{ name: wide.name }]);
      expect(standing?.rule).toEqual(narrow.rule);
      expect(standing?.waitMs).toBeGreaterThan(50_000);
      expect((await other.read([{ name: 'owner:nobody' }]))[0]).toMatchObject({
        rule: null,
        used: [0, 0, 0, 0],
      });
      clock.now += 100;
    });

    test('a pause of many hours is known until it is over', async () => {
      const { clock, other } = under();
      const one = account({ burst: 1, cooldownMs: 86_400_000, tokensPerMinute: 100 });
      const call = await take([one], { tokens: 1 });
      await take([one], { tokens: 1 });
      await settle(call, [one], { tokens: 5 });
      clock.now += 5 * 3_600_000;
      await take([account({ requestsPerMinute: 1 })]);
      expect(await other.names()).toContain(one.name);
      expect((await take([one], { tokens: 1 })).refusal).toMatchObject({ limit: 'cooldown' });
      await settle(call, [one], { tokens: 5 });
      clock.now += 20 * 3_600_000;
      expect((await take([one], { tokens: 1 })).refusal).toBeNull();
    });

    test('calls of two processes at once get what there is, and no more', async () => {
      const { store, other } = under();
      const one = account({ requestsPerMinute: 20, tokensPerMinute: 1_000 });
      const decisions = await Promise.all(
        Array.from({ length: 50 }, (_, i) => take([one], { tokens: 10, store: i % 2 ? store : other })),
      );
      expect(decisions.filter(({ refusal }) => refusal === null)).toHaveLength(20);
    });

    test('are those of a model that remembers every call', async () => {
      const step = fc.record({
        ms: fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 70_000 })),
        who: fc.subarray([0, 1, 2], { minLength: 1 }),
        tokens: fc.integer({ min: 0, max: 40 }),
        settles: fc.array(
          fc.record({
            which: fc.nat(20),
            uncounted: fc.boolean(),
            tokens: fc.integer({ min: -40, max: 40 }),
          }),
          { maxLength: 2 },
        ),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
          const { store, other, clock } = under();
          const model = new LimitModel(store.leaseMs);
          const accounts = [
            account({ requestsPerMinute: 4, tokensPerMinute: 60, concurrent: 3 }),
            account({ requestsPerMinute: 6, requestsPerHour: 9, burst: 3, cooldownMs: 2_000 }),
            account({ burst: 2, concurrent: 2, tokensPerMinute: 30 }),
          ];
          const open: { call: Decision & { id: string }; of: Account[]; tokens: number }[] = [];
          let n = 0;
          for (const { ms, who, tokens, settles } of steps) {
            clock.now += ms;
            const of = who.map((i) => accounts[i]!);
            const id = `call ${n++}`;
            const decision = await take(of, { id, tokens, store: n % 2 ? store : other });
            const expected = model.take(id, of, tokens, clock.now);
            if (decision.refusal === null) {
              expect(expected).toEqual([]);
              open.push({ call: decision, of, tokens });
            } else expect(expected).toContain(decision.refusal.limit);
            for (const { which, uncounted, tokens: change } of settles) {
              const [one] = open.splice(which, 1);
              if (one === undefined) continue;
              const tokensChange = Math.max(change, -one.tokens);
              await settle(one.call, one.of, { uncounted, tokens: tokensChange });
              model.settle(one.call.id, one.of, uncounted, tokensChange, clock.now);
            }
            const standings = await other.read(accounts);
            standings.forEach((standing, i) => {
              const name = accounts[i]!.name;
              expect(standing.used).toEqual(windowNames.map((_, w) => model.used(name, w, clock.now)));
            });
          }
          for (const { call, of } of open) await settle(call, of);
        }),
        { numRuns: runs },
      );
    });
  });
}
