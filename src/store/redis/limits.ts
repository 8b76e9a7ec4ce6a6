import {
  type Account,
  type Claim,
  type Decision,
  type LimitName,
  type LimitStore,
  limitAt,
  numbersOfAccount,
  numbersOfRule,
  ruleOfNumbers,
  type Settlement,
  type Standing,
  tokenWindow,
  windowNames,
} from '../../limits/store.ts';
import type { RedisConnection } from './connection.ts';
import * as scripts from './limit-scripts.ts';

const prefix = 'llmgateway:limit:{limits}:';
const index = `${prefix}accounts`;
const maxNames = 10_000;
const readAtOnce = 200;

const hashOf = (name: string): string => `${prefix}of:${encodeURIComponent(name)}`;
const callsOf = (name: string): string => `${prefix}calls:${encodeURIComponent(name)}`;
const keysOf = ({ name }: Pick<Account, 'name'>): string[] => [hashOf(name), callsOf(name)];

/** Names of refusals as the script numbers them, from 1. */
const reasons: readonly LimitName[] = [...windowNames, 'cooldown', 'concurrent'];

/** Limits in Redis. All are in one slot of a Cluster: a call falls under several, which have to be decided on together. */
export class RedisLimits implements LimitStore {
  readonly leaseMs: number;
  readonly #redis: RedisConnection;
  readonly #clock: () => number | '';

  /** @param now a test's clock; without it the server's is taken */
  constructor(redis: RedisConnection, leaseMs: number, now?: () => number) {
    this.#redis = redis;
    this.leaseMs = leaseMs;
    this.#clock = now ?? (() => '');
  }

  async take({ id, accounts, tokens }: Claim): Promise<Decision> {
    const keys = [index];
    const args: (string | number)[] = [this.#clock(), id, this.leaseMs, tokens];
    for (const account of accounts) {
      const { name, rule } = account;
      keys.push(...keysOf(account));
      args.push(name, ...numbersOfRule(rule));
    }
    const answer = (await this.#redis.run(scripts.take, keys, args)) as number[];
    const [by = 0, reason = 0, ms = 0] = answer;
    const numbers = answer.slice(3);
    if (by === 0) return { refusal: null, numbers };
    const limit = reasons[reason - 1] as LimitName;
    return { refusal: { account: by - 1, limit, waitMs: ms < 0 ? null : ms }, numbers };
  }

  async settle({ id, accounts, numbers, over, uncounted, tokens }: Settlement): Promise<void> {
    const args: (string | number)[] = [this.#clock(), id, over ? 1 : 0, uncounted ? 1 : 0, tokens];
    for (let i = 0; i < accounts.length; i++) {
      const { rule } = accounts[i] as Account;
      for (let w = 0; w < windowNames.length; w++) {
        const place = numbers[i * numbersOfAccount + w * 3 + 2] ?? 0;
        // What is used beyond the claim counts even if it is not known where the claim is.
        args.push(place === 0 && w === tokenWindow && limitAt(rule, w) > 0 ? 1 : place);
      }
    }
    await this.#redis.run(scripts.settle, accounts.flatMap(keysOf), args);
  }

  async renew(claims: readonly Pick<Claim, 'id' | 'accounts'>[]): Promise<void> {
    const keys: string[] = [];
    const ids: string[] = [];
    for (const { id, accounts } of claims) {
      for (const { name, rule } of accounts) {
        if (rule.concurrent === 0) continue;
        keys.push(callsOf(name));
        ids.push(id);
      }
    }
    if (keys.length > 0) await this.#redis.run(scripts.renew, keys, [this.#clock(), this.leaseMs, ...ids]);
  }

  async read(accounts: readonly Pick<Account, 'name'>[]): Promise<Standing[]> {
    const standings: Standing[] = [];
    for (let at = 0; at < accounts.length; at += readAtOnce) {
      const some = accounts.slice(at, at + readAtOnce);
      const answer = await this.#redis.run(scripts.read, some.flatMap(keysOf), [this.#clock()]);
      standings.push(...some.map((_, i) => standingOf(answer as number[], i * scripts.numbersOfStanding)));
    }
    return standings;
  }

  async names(): Promise<string[]> {
    const names = await this.#redis.command('ZREVRANGE', index, 0, maxNames - 1);
    return (names as Buffer[]).map(String);
  }

  async reset(given: readonly string[] | null): Promise<void> {
    for (;;) {
      const names = given ?? (await this.names());
      for (let at = 0; at < names.length; at += readAtOnce) {
        const some = names.slice(at, at + readAtOnce);
        await this.#redis.command('DEL', ...some.map(hashOf));
        await this.#redis.command('ZREM', index, ...some);
      }
      if (given !== null || names.length === 0) return;
    }
  }
}

function standingOf(numbers: readonly number[], at: number): Standing {
  const [inFlight = 0, cooldownMs = 0, waitMs = 0, ...rule] = numbers.slice(
    at + 4,
    at + scripts.numbersOfStanding,
  );
  return { rule: ruleOfNumbers(rule), used: numbers.slice(at, at + 4), inFlight, cooldownMs, waitMs };
}
