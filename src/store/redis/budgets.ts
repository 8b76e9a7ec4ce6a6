import type { Balance, BudgetStore, Claim, Refusal, Settlement, Spent } from '../../usage/store.ts';
import type { RedisConnection } from './connection.ts';
import * as scripts from './usage-scripts.ts';

const markSeconds = 600;

/**
 * Budgets in Redis. All are in one slot of a Cluster: a call has budgets of several kinds, which have to be decided on together.
 */
export class RedisBudgets implements BudgetStore {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async reserve(
    hold: string,
    claims: readonly Claim[],
    amount: number,
    leaseMs: number,
  ): Promise<Refusal | null> {
    const args: (string | number)[] = [hold, amount, leaseMs];
    for (const { limit, expiresMs } of claims) args.push(limit, expiresMs ?? 0);
    const answer = (await this.#redis.run(scripts.reserve, claims.flatMap(keysOf), args)) as unknown[];
    if (answer.length === 0) return null;
    const [index = 0, spent = 0, reserved = 0] = answer.map((value) => Number(String(value)));
    return { index, spent, reserved };
  }

  async settle({ hold, claims, amount }: Settlement): Promise<Spent | null> {
    const keys = [`${prefix}settled:${hold}`, ...claims.flatMap(keysOf)];
    const expiries = claims.map(({ expiresMs }) => expiresMs ?? 0);
    const answer = await this.#redis.run(scripts.settle, keys, [hold, amount, markSeconds, ...expiries]);
    if (answer === null) return null;
    return (answer as Buffer[]).map((text) => ({
      before: Number(String(text)),
      after: Number(String(text)) + amount,
    }));
  }

  read(accounts: readonly string[]): Promise<Balance[]> {
    return Promise.all(
      accounts.map(async (account) => {
        const answer = await this.#redis.command(
          'HMGET',
          keysOf({ account })[0] as string,
          'spent',
          'reserved',
        );
        const [spent, reserved] = (answer as (Buffer | null)[]).map((text) => Number(String(text ?? 0)));
        return { spent: spent ?? 0, reserved: reserved ?? 0 };
      }),
    );
  }
}

const prefix = 'llmgateway:budget:{budgets}:';

const keysOf = ({ account }: Pick<Claim, 'account'>): string[] => {
  const name = encodeURIComponent(account);
  return [`${prefix}${name}`, `${prefix}${name}:holds`];
};
