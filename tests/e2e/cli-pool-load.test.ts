import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { scriptedCli } from '../support/cli-pool.ts';
import { openaiClient, startGateway } from '../support/gateway.ts';
import { until } from '../support/redis.ts';

const requests = 1_000;
const atOnce = 12;

/** The same numbers in each run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

const handles = (): number => readdirSync('/proc/self/fd').length;

function heap(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

test('a thousand requests with clients that leave and programs that fail: each has its own answer or an error, and nothing is left over', async () => {
  const cli = scriptedCli();
  const gateway = await startGateway({
    ...cli.env,
    LLM_POOL_SIZE: '4',
    LLM_MAX_OVERFLOW: '1',
    LLM_SESSION_MAX_TURNS: '25',
    LLM_GATEWAY_LOG_LEVEL: 'ERROR',
  });
  const client = openaiClient(gateway.url);
  const full = () =>
    until(async () => {
      const { counts, sessions } = (await (await fetch(`${gateway.url}/sessions`)).json()) as {
        counts: Record<string, number>;
        sessions: unknown[];
      };
      return counts['idle'] === 4 && sessions.length === 4;
    }, 30_000);
  const next = random(7);
  const counts = { answered: 0, left: 0, failed: 0 };

  const ask = async (n: number): Promise<void> => {
    const chance = next();
    const leaving = new AbortController();
    const leaves = chance < 0.1;
    const crashes = chance > 0.99;
    const prompt = `number ${n} of them${leaves ? ' delay=5 repeat=20' : ''}${crashes ? ' crash-at=9' : ''}`;
    const timer = leaves ? setTimeout(() => leaving.abort(), next() * 120) : undefined;
    try {
      const stream = await client.chat.completions.create(
        { model: 'claude-sonnet', messages: [{ role: 'user', content: prompt }], stream: true },
        { signal: leaving.signal },
      );
      let text = '';
      for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
      if (leaving.signal.aborted) counts.left++;
      else {
        expect(text).toBe(leaves ? prompt.repeat(20) : prompt);
        counts.answered++;
      }
    } catch (error) {
      if (!leaves && !crashes) throw error;
      if (leaves) counts.left++;
      else counts.failed++;
    } finally {
      clearTimeout(timer);
    }
  };
  const run = async (count: number): Promise<void> => {
    let begun = 0;
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (begun < count) await ask(begun++);
      }),
    );
  };

  try {
    await run(100);
    await full();
    const before = { handles: handles(), heap: heap() };
    await run(requests - 100);
    await full();
    expect(counts.answered + counts.left + counts.failed).toBe(requests);
    expect(counts.left).toBeGreaterThan(30);
    expect(counts.failed).toBeGreaterThan(0);
    await until(() => cli.alive().length === 4);
    gateway.log.length = 0;
    await until(() => handles() <= before.handles + atOnce);
    expect(heap() - before.heap).toBeLessThan(12 * 2 ** 20);
  } finally {
    await gateway.stop();
  }
  expect(cli.alive()).toEqual([]);
  cli.remove();
}, 240_000);
