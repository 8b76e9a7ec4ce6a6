import { createClient } from '@connectrpc/connect';
import type OpenAI from 'openai';
import { afterEach, describe, expect, test } from 'vitest';
import { AdminService } from '../../gen/llmgateway/v1/admin_service_pb.js';
import { isThere, type ScriptedCli, scriptedCli } from '../support/cli-pool.ts';
import { openaiClient, type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { type GatewayProcess, startGatewayProcess } from '../support/process.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

interface Scripted {
  readonly cli: ScriptedCli;
  readonly gateway: RunningGateway;
  readonly client: OpenAI;
  ask(prompt: string, more?: Record<string, unknown>): Promise<string>;
  sessions(): Promise<SessionsBody>;
  /** Resolves when as many sessions are idle as there should be. */
  full(): Promise<void>;
}

interface SessionsBody {
  readonly pool_size: number;
  readonly counts: Record<string, number>;
  readonly sessions: readonly Record<string, unknown>[];
}

async function start(
  env: Record<string, string> = {},
  settings: Record<string, unknown> = {},
  more = '',
): Promise<Scripted> {
  const cli = scriptedCli(settings, more);
  const gateway = await startGateway({ ...cli.env, ...env });
  cleanups.push(cli.remove, async () => {
    await gateway.stop();
    expect(cli.alive(), 'processes that outlive the gateway').toEqual([]);
  });
  const client = openaiClient(gateway.url);
  const sessions = async () => (await (await fetch(`${gateway.url}/sessions`)).json()) as SessionsBody;
  return {
    cli,
    gateway,
    client,
    sessions,
    async ask(prompt, options = {}) {
      const answer = await client.chat.completions.create({
        model: 'claude-sonnet',
        messages: [{ role: 'user', content: prompt }],
        ...options,
      });
      return answer.choices[0]?.message.content ?? '';
    },
    async full() {
      await until(async () => {
        const { counts, pool_size: size, sessions: all } = await sessions();
        return counts['idle'] === size && all.length === size;
      });
    },
  };
}

async function until(isSo: () => unknown, ms = 10_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error('it did not come about');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The error that a request ends with. */
async function failure(
  asked: Promise<unknown>,
): Promise<{ status?: number; code?: string; message: string }> {
  return asked.then(
    (said) => {
      throw new Error(`it was answered: ${JSON.stringify(said)}`);
    },
    (error) => error as { status?: number; code?: string; message: string },
  );
}

const frames = 16;

describe('an answer by a session', () => {
  test('is that of any other provider: text, thoughts, usage, reason; what the program cannot take is told', async () => {
    const { client } = await start();
    const { data, response } = await client.chat.completions
      .create({
        model: 'claude-sonnet',
        messages: [
          { role: 'system', content: 'You are a helpful assistant.' },
          { role: 'user', content: 'Hello!' },
        ],
        max_tokens: 4096,
        temperature: 0.7,
      })
      .withResponse();
    expect(data).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-/),
      object: 'chat.completion',
      model: 'claude-sonnet',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello!' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 16, completion_tokens: 7, total_tokens: 23 },
    });
    expect(response.headers.get('x-dropped-params')).toBe('max_tokens, temperature');
  });

  test('streams as it is said', async () => {
    const { client } = await start();
    const stream = await client.chat.completions.create({
      model: 'cli/claude-opus',
      messages: [{ role: 'user', content: 'one two three stop=max_tokens' }],
      stream: true,
      stream_options: { include_usage: true },
    });
    const texts: string[] = [];
    let finish: string | null = null;
    let total = 0;
    for await (const { choices, usage } of stream) {
      if (choices[0]?.delta.content) texts.push(choices[0].delta.content);
      finish ??= choices[0]?.finish_reason ?? null;
      total = usage?.total_tokens ?? total;
    }
    expect(texts).toEqual(['one ', 'two ', 'three ', 'stop=max_tokens']);
    expect([finish, total]).toEqual(['length', 23]);
  });

  test('has the system prompt as such, the model as the program calls it, and earlier turns in one message', async () => {
    const { cli, client } = await start();
    await client.chat.completions.create({
      model: 'claude-haiku',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'What is it?' },
        { role: 'assistant', content: 'A lamp.' },
        { role: 'user', content: 'Light it.' },
      ],
    });
    const [turn] = cli.notes('turn');
    expect(turn).toMatchObject({ model: 'haiku', system: 'Be brief.' });
    const prompt = String(turn?.['prompt']);
    const [, mark] = /<turn-(\w+) role="user">\nWhat is it\?/.exec(prompt) ?? [];
    expect(prompt).toContain(`<turn-${mark} role="assistant">\nA lamp.\n</turn-${mark}>`);
    expect(prompt).toMatch(/Light it\.\n<\/turn-\w+>$/);
  });

  test('is never a command to the program, and names of models are never its options', async () => {
    const { cli, ask } = await start();
    await ask('/exit');
    expect(cli.notes('turn').map(({ prompt }) => prompt)).toEqual(['\n/exit']);
    for (const model of ['cli/--dangerously-skip-permissions', 'cli/-p', 'cli/a b']) {
      expect(await failure(ask('hi', { model }))).toMatchObject({ status: 404 });
    }
    expect(cli.notes('start').flatMap(({ args }) => args)).not.toContain('-p');
  });

  test('fails with the status that the program tells, and with its reason', async () => {
    const { ask } = await start();
    const error = await failure(ask('fail=429'));
    expect(error).toMatchObject({ status: 429, message: expect.stringContaining('it is too much') });
  });

  test('refuses what it cannot give: tools, several answers, a form', async () => {
    const { ask } = await start();
    for (const more of [{ n: 2 }, { stop: ['x'] }, { response_format: { type: 'json_object' } }]) {
      expect(await failure(ask('hi', more))).toMatchObject({ status: 400, code: 'unsupported_parameter' });
    }
    expect(
      await failure(
        ask('hi', { max_tokens: 5 }).then((text) => {
          throw new Error(text);
        }),
      ),
    ).toMatchObject({ message: 'hi' });
  });

  test('denies what the program asks for, and goes on', async () => {
    const { cli, ask } = await start();
    expect(await ask('question-at=3 delay=10 fine')).toBe('question-at=3 delay=10 fine');
    await until(() => cli.notes('answer').length === 1);
    expect(JSON.stringify(cli.notes('answer'))).toContain('nothing is allowed here');
  });
});

describe('a session', () => {
  test('knows nothing of the gateway: neither its environment nor its folder', async () => {
    process.env['ANTHROPIC_API_KEY'] = 'sk-ant-of-the-gateway';
    cleanups.push(() => delete process.env['ANTHROPIC_API_KEY']);
    const { cli, full } = await start({ HOME: '/home/of-the-account', OPENAI_API_KEY: 'sk-1234567890' });
    await full();
    const [first, second] = cli.notes('start');
    expect(Object.keys(first?.['env'] as object).sort()).toEqual([
      'CLAUDE_CODE_DISABLE_ATTACHMENTS',
      'CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC',
      'CLAUDE_CODE_MAX_RETRIES',
      'DISABLE_AUTOUPDATER',
      'HOME',
      'PATH',
      'PWD',
      'SCRIPTED_CLI',
    ]);
    expect(first?.['cwd']).toMatch(/llm-gateway-cli-/);
    expect(first?.['cwd']).not.toBe(second?.['cwd']);
  });

  test('serves one request and is replaced, so that no other one sees what was said', async () => {
    const { cli, ask, full } = await start({ LLM_POOL_SIZE: '1' });
    await ask('the word is xyzzy');
    await full();
    expect(await ask('what-before')).toBe('');
    expect(cli.notes('start').length).toBeGreaterThanOrEqual(2);
  });

  test('serves more where that is wanted', async () => {
    const { ask } = await start({ LLM_POOL_SIZE: '1', LLM_SESSION_MAX_TURNS: '3', LLM_MAX_OVERFLOW: '0' });
    await ask('the word is xyzzy');
    expect(await ask('what-before')).toBe('the word is xyzzy');
  });

  test('gives signs of life, and is replaced when it ends with one or gives none', async () => {
    const alive = await start({ LLM_POOL_SIZE: '1', LLM_KEEP_ALIVE_INTERVAL: '100ms' });
    await until(async () => Number((await alive.sessions()).sessions[0]?.['turns']) >= 2);
    const dying = await start({ LLM_POOL_SIZE: '1', LLM_KEEP_ALIVE_INTERVAL: '100ms' }, { pingExit: 2 });
    await until(() => dying.cli.notes('start').length >= 2);
    expect(await dying.ask('still here')).toBe('still here');
  });
});

describe('when the program fails', () => {
  test.each(Array.from({ length: frames + 1 }, (_, at) => at))(
    'at frame %i, the request fails or is answered whole, and the pool is full again',
    async (at) => {
      const { client, full, ask } = await start({ LLM_POOL_SIZE: '2' });
      await full();
      let text = '';
      let error: unknown = null;
      try {
        const stream = await client.chat.completions.create({
          model: 'claude-sonnet',
          messages: [{ role: 'user', content: `a b c crash-at=${at}` }],
          stream: true,
        });
        for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
      } catch (caught) {
        error = caught;
      }
      const whole = `a b c crash-at=${at}`;
      if (error === null) expect([text, at]).toEqual([whole, frames]);
      else {
        expect(whole.startsWith(text)).toBe(true);
        expect(String(error)).not.toContain('secret0123456789');
      }
      expect(await ask('another')).toBe('another');
      await full();
    },
  );

  test('before the first output, the request is asked once more of another session', async () => {
    const { cli, ask } = await start();
    expect(await ask('once=a crash-at=1')).toBe('once=a crash-at=1');
    expect(cli.notes('turn').length).toBe(2);
    expect(await failure(ask('crash-at=1'))).toMatchObject({ status: 502 });
    expect(cli.notes('turn').length).toBe(4);
  });

  test('with nonsense or half a line, the request fails, and no other one is answered with the rest', async () => {
    const { ask, full } = await start({ LLM_POOL_SIZE: '1' });
    for (const prompt of ['garbage-at=1', 'garbage-at=8', 'half-at=8', 'half-at=0']) {
      expect(await failure(ask(prompt))).toMatchObject({ status: 502 });
      expect(await ask(`after ${prompt.replace('at', 'was')}`)).toBe(`after ${prompt.replace('at', 'was')}`);
      await full();
    }
  });

  test('by saying nothing, the request ends in its time with 504, and the session is interrupted and replaced', async () => {
    const { cli, ask, full, sessions } = await start({ LLM_REQUEST_TIMEOUT: '700ms', LLM_POOL_SIZE: '1' });
    await full();
    expect(await failure(ask('hang-at=0'))).toMatchObject({ status: 504 });
    expect(await failure(ask('hang-at=9 deaf=yes'))).toMatchObject({ status: 504 });
    await full();
    expect(cli.notes('interrupt').length).toBe(2);
    expect((await sessions()).counts['dead']).toBe(0);
  });

  test('at its start, requests are told of it in its own words, and health is', async () => {
    const { ask, gateway } = await start({ LLM_POOL_SIZE: '2' }, { startExit: 1 });
    const began = performance.now();
    const error = await failure(ask('hello'));
    expect(error).toMatchObject({ status: 502, message: expect.stringContaining('log in first') });
    expect(performance.now() - began).toBeLessThan(30_000);
    const health = await fetch(`${gateway.url}/health`);
    expect([health.status, await health.json()]).toMatchObject([
      503,
      { status: 'unhealthy', backend: 'cli', pool: { size: 2, idle: 0, degraded: true } },
    ]);
  }, 40_000);

  test('because it is not there, that is said', async () => {
    const { ask } = await start({ LLM_POOL_SIZE: '4', LLM_CLI_PATH: '/nowhere/claude' });
    expect(await failure(ask('hello'))).toMatchObject({
      status: 502,
      message: expect.stringContaining('not found'),
    });
  }, 40_000);
});

describe('a client that leaves', () => {
  test('has its session interrupted, which then ends', async () => {
    const { cli, client, full } = await start({ LLM_POOL_SIZE: '1' });
    const stream = await client.chat.completions.create({
      model: 'claude-sonnet',
      messages: [{ role: 'user', content: 'slowly delay=20 repeat=500' }],
      stream: true,
    });
    for await (const _ of stream) break;
    await until(() => cli.notes('interrupt').length === 1);
    await full();
  });

  test('is not in the way of those who wait', async () => {
    const { ask, client } = await start({ LLM_POOL_SIZE: '1', LLM_MAX_OVERFLOW: '0' });
    const first = ask('first delay=20');
    const leaving = new AbortController();
    const second = failure(
      client.chat.completions.create(
        { model: 'claude-sonnet', messages: [{ role: 'user', content: 'second' }] },
        { signal: leaving.signal },
      ),
    );
    const third = ask('third');
    setTimeout(() => leaving.abort(), 50);
    expect(await Promise.all([first, third])).toEqual(['first delay=20', 'third']);
    await second;
  });
});

describe('with more requests than sessions', () => {
  test('all are answered with their own texts, some by cold sessions', async () => {
    const { ask, full, gateway } = await start({ LLM_POOL_SIZE: '2' });
    const prompts = Array.from({ length: 20 }, (_, n) => `question ${n} of many`);
    expect(await Promise.all(prompts.map((prompt) => ask(prompt)))).toEqual(prompts);
    await full();
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(Number(/^llm_pool_overflow_total (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
    expect(metrics).toMatch(/^llm_sessions_total\{status="idle"\} 2$/m);
    expect(metrics).toMatch(/^llm_session_restarts_total\{reason="turns"\} \d+$/m);
    const colds = gateway.log
      .filter(({ message }) => message === 'cli turn')
      .map((line) => line['cold_start']);
    expect(new Set(colds)).toEqual(new Set([true, false]));
  }, 30_000);

  test('those that find no place are refused at once, others in their time, each with 503', async () => {
    const { client, ask, full } = await start({
      LLM_POOL_SIZE: '1',
      LLM_MAX_OVERFLOW: '0',
      LLM_POOL_QUEUE: '1',
      LLM_REQUEST_TIMEOUT: '800ms',
    });
    await full();
    const first = failure(ask('hang-at=0'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const second = failure(ask('waits'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const third = await client.chat.completions
      .create({ model: 'claude-sonnet', messages: [{ role: 'user', content: 'too many' }] })
      .asResponse()
      .catch((error) => error);
    expect(third).toMatchObject({ status: 503, message: expect.stringContaining('pool_exhausted') });
    expect(third.headers.get('retry-after')).toBe('1');
    expect(await first).toMatchObject({ status: 504 });
    await second;
  });
});

describe('the pool', () => {
  test('is told of on REST and RPC, without prompts', async () => {
    const { ask, gateway, sessions, full } = await start({
      LLM_GATEWAY_ADMIN_TOKEN: 'an-admin-token-0123456789',
    });
    await full();
    const asked = ask('a secret of mine delay=30');
    await until(async () => (await sessions()).counts['busy'] === 1);
    const body = await sessions();
    expect(body.sessions.find(({ status }) => status === 'busy')).toMatchObject({
      id: expect.stringMatching(/^1\.cli_\d+$/),
      model: 'sonnet',
      kind: 'pool',
      pid: expect.any(Number),
      current_request_id: expect.stringMatching(/^req_/),
      cli_session_id: expect.stringMatching(/^session-/),
    });
    expect(JSON.stringify(body)).not.toContain('secret');
    const admin = createClient(AdminService, rpcTransports['Connect over HTTP/2'](gateway.url));
    const headers = { authorization: 'Bearer an-admin-token-0123456789' };
    const { sessions: told, poolSize, backend } = await admin.listCliSessions({}, { headers });
    expect([told.length, poolSize, backend]).toEqual([2, 2, 'cli']);
    expect((await admin.getHealth({}, { headers })).cliPool).toMatchObject({ size: 2, busy: 1, idle: 1 });
    await asked;
  });

  test('is not there unless it is wanted, and names of Claude go to the API', async () => {
    const gateway = await startGateway();
    cleanups.push(() => gateway.stop());
    const body = (await (await fetch(`${gateway.url}/sessions`)).json()) as SessionsBody & {
      backend: string;
    };
    expect([body.backend, body.pool_size, body.sessions]).toEqual(['api', 0, []]);
    expect(await (await fetch(`${gateway.url}/health`)).json()).not.toHaveProperty('pool');
    const client = openaiClient(gateway.url);
    const messages = [{ role: 'user' as const, content: 'hi' }];
    expect(await failure(client.chat.completions.create({ model: 'claude-sonnet', messages }))).toMatchObject(
      {
        message: expect.stringContaining('ANTHROPIC_API_KEY'),
      },
    );
    expect(await failure(client.chat.completions.create({ model: 'cli/sonnet', messages }))).toMatchObject({
      status: 404,
    });
  });

  test('is there for its prefix when the file enables it; other names go where they went', async () => {
    const { ask } = await start({ LLM_BACKEND: 'api' }, {}, 'providers:\n  cli:\n    enabled: true\n');
    expect(await ask('by prefix', { model: 'cli/claude-sonnet' })).toBe('by prefix');
    expect(await failure(ask('hi'))).toMatchObject({ message: expect.stringContaining('ANTHROPIC_API_KEY') });
  });

  test('is replaced by a configuration that changes it; what is under way ends by itself', async () => {
    const { ask, cli, gateway, full, sessions } = await start({ LLM_POOL_SIZE: '2' });
    await full();
    const slow = ask('slowly delay=30');
    await until(async () => (await sessions()).counts['busy'] === 1);
    const { config } = gateway.gateway;
    gateway.gateway.reload({ ...config, cliPoolSize: 3 });
    expect((await sessions()).pool_size).toBe(3);
    expect(await slow).toBe('slowly delay=30');
    await full();
    await until(() => cli.alive().length === 3);
    gateway.gateway.reload({
      ...gateway.gateway.config,
      providers: config.providers.filter(({ form }) => form !== 'cli'),
    });
    await until(() => cli.alive().length === 0);
  });
});

test('canned answers need nothing at all', async () => {
  const gateway = await startGateway({ LLM_BACKEND: 'mock' });
  cleanups.push(() => gateway.stop());
  const client = openaiClient(gateway.url);
  const content = `${'x'.repeat(60)} and more`;
  const answer = await client.chat.completions.create({
    model: 'claude-sonnet',
    messages: [{ role: 'user', content }],
  });
  expect(answer.choices[0]?.message.content).toBe(`Mock response to: ${'x'.repeat(50)}`);
  expect(answer.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 4 });
});

describe('a gateway that is gone', () => {
  async function startProcess(settings: Record<string, unknown>): Promise<[ScriptedCli, GatewayProcess]> {
    const cli = scriptedCli(settings);
    const gateway = await startGatewayProcess({ ...cli.env, LLM_GATEWAY_DATA_DIR: cli.folder });
    cleanups.push(cli.remove, () => gateway.kill());
    await until(() => cli.notes('start').length === 2);
    return [cli, gateway];
  }

  test.each([
    ['programs that notice it', {}],
    ['programs that heed nothing', { stubborn: true }],
  ])('leaves no process and no folder when it is killed: %s', async (_name, settings) => {
    const [cli, gateway] = await startProcess(settings);
    const [{ cwd } = {}] = cli.notes('start');
    expect(cli.alive().length).toBe(2);
    await gateway.kill();
    await until(() => cli.alive().length === 0, 5_000);
    const { existsSync } = await import('node:fs');
    await until(() => !existsSync(String(cwd)), 5_000);
    expect(cli.notes('start').map(({ pid }) => isThere(Number(pid)))).toEqual([false, false]);
  });
});
