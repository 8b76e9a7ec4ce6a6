import { readdirSync } from 'node:fs';
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
  ask(
    prompt: string,
    more?: Record<string, unknown>,
    options?: { readonly headers?: Record<string, string>; readonly signal?: AbortSignal },
  ): Promise<string>;
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
    async ask(prompt, more = {}, options = {}) {
      const messages = [{ role: 'user' as const, content: prompt }];
      const answer = (await client.chat.completions.create(
        { model: 'claude-sonnet', messages, ...more },
        options,
      )) as OpenAI.ChatCompletion;
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

  test('is never that of another model than the one that was asked for', async () => {
    const { ask, cli } = await start({}, { models: ['sonnet', 'opus'] });
    expect(await failure(ask('hello', { model: 'cli/nobody' }))).toMatchObject({
      status: 404,
      code: 'model_not_found',
      message: expect.stringContaining('there is no nobody'),
    });
    // Whether there is one is not known.
    expect(await failure(ask('hello', { model: 'cli/unreachable' }))).toMatchObject({
      status: 502,
      message: expect.stringContaining('Network error'),
    });
    expect(cli.notes('turn')).toEqual([]);
    expect(await ask('hello', { model: 'claude-opus' })).toBe('hello');
  });

  test('fails with the status that the program tells, and with its reason', async () => {
    const { ask } = await start();
    const error = await failure(ask('fail=429'));
    expect(error).toMatchObject({ status: 429, message: expect.stringContaining('it is too much') });
  });

  test('that has no account fails at once, without another try', async () => {
    const { ask, cli, gateway } = await start();
    const error = await failure(ask('account=none'));
    expect([error.status, error.message]).toEqual([502, expect.stringContaining('Not logged in')]);
    expect(cli.notes('turn').length).toBe(1);
    expect(gateway.log.find(({ message }) => message === 'cli turn')).toMatchObject({ status: 'error' });
  });

  test('that is too large to be put together fails', async () => {
    const { ask } = await start({ LLM_POOL_SIZE: '1' });
    expect(await failure(ask('flood-mb=70'))).toMatchObject({
      status: 502,
      message: expect.stringContaining('too large'),
    });
  }, 30_000);

  test('that comes in pieces of lines is whole', async () => {
    const { ask } = await start();
    expect(await ask('dribble=yes hülle und fülle')).toBe('dribble=yes hülle und fülle');
  });

  test('has one line of the log with all ids, tokens, the time, and whether it was cold', async () => {
    const { client, gateway, full } = await start({ LLM_POOL_SIZE: '1' });
    await full();
    await client.chat.completions.create(
      { model: 'claude-sonnet', messages: [{ role: 'user', content: 'my secret words' }] },
      { headers: { 'x-request-id': 'req-of-mine' } },
    );
    const line = gateway.log.find(({ message }) => message === 'cli turn');
    expect(line).toMatchObject({
      request_id: 'req-of-mine',
      session_id: '1.cli_1',
      cli_session_id: expect.stringMatching(/^session-/),
      backend: 'cli',
      model: 'sonnet',
      status: 'success',
      cold_start: false,
      latency_ms: expect.any(Number),
      prompt_tokens: 16,
      completion_tokens: 7,
    });
    expect(JSON.stringify(gateway.log)).not.toContain('secret words');
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
      'LLM_GATEWAY_CHILD',
      'PATH',
      'PWD',
      'SCRIPTED_CLI',
    ]);
    expect(JSON.stringify(first)).not.toMatch(/sk-ant-of-the-gateway|sk-1234567890/);
    expect(readdirSync(String(first?.['cwd']))).toEqual([]);
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

  test('that serves more does so for the same instructions only, which it takes once', async () => {
    const { cli, client } = await start({
      LLM_POOL_SIZE: '1',
      LLM_SESSION_MAX_TURNS: '9',
      LLM_MAX_OVERFLOW: '0',
    });
    const say = (system: string, content: string) =>
      client.chat.completions.create({
        model: 'claude-sonnet',
        messages: [
          { role: 'system', content: system },
          { role: 'user', content },
        ],
      });
    for (const system of ['Be a lamp.', 'Be a lamp.', 'Be a door.', 'Be a lamp.']) {
      const answer = await say(system, 'what-before');
      expect(answer.choices[0]?.message.content).not.toContain(system === 'Be a door.' ? 'lamp' : 'door');
    }
    const turns = cli.notes('turn');
    expect(turns.map(({ system }) => system)).toEqual([
      'Be a lamp.',
      'Be a lamp.',
      'Be a door.',
      'Be a lamp.',
    ]);
    expect(turns.map(({ pid }) => pid === turns[0]?.['pid'])).toEqual([true, true, false, false]);
  });

  test('that serves more does so for one tenant only', async () => {
    const { ask, cli } = await start(
      { LLM_POOL_SIZE: '1', LLM_SESSION_MAX_TURNS: '9', LLM_MAX_OVERFLOW: '0' },
      {},
      `keys:
  - { id: one, key: sk-key-of-tenant-one-0123456789, tenant: one }
  - { id: two, key: sk-key-of-tenant-two-0123456789, tenant: two }
`,
    );
    const as = (tenant: string) => ({
      headers: { authorization: `Bearer sk-key-of-tenant-${tenant}-0123456789` },
    });
    await ask('the word is xyzzy', {}, as('one'));
    expect(await ask('what-before', {}, as('one'))).toBe('the word is xyzzy');
    expect(await ask('what-before', {}, as('two'))).toBe('');
    expect(new Set(cli.notes('turn').map(({ pid }) => pid)).size).toBe(2);
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
    // However often others are asked again.
    const { cli, ask } = await start({ LLM_GATEWAY_RETRY_MAX_ATTEMPTS: '3' });
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

  test('its words of an answer are told to nobody; its own before it was asked are', async () => {
    const { ask, gateway, sessions } = await start({ LLM_POOL_SIZE: '1', LLM_MAX_OVERFLOW: '0' });
    const error = await failure(ask('my private text garbage-at=9'));
    expect(error.status).toBe(502);
    const told = JSON.stringify([error.message, await sessions(), gateway.log]);
    expect(told).not.toContain('Segmentation fault');
    const greeting = await start(
      { LLM_POOL_SIZE: '1', LLM_MAX_OVERFLOW: '0' },
      { greets: 'Please update to the newest version.' },
    );
    await until(() => greeting.gateway.log.some((line) => String(line['error']).includes('Please update')));
  });

  test('after many complaints, their end is told, and no more of them kept', async () => {
    const { ask } = await start({ LLM_POOL_SIZE: '1' });
    const error = await failure(ask('complain-kb=2000 crash-at=8'));
    expect(error.status).toBe(502);
    expect(error.message.length).toBeLessThan(500);
  });

  test('to start in its time, it is started again; requests wait for a slow one', async () => {
    const slow = await start({ LLM_POOL_SIZE: '1', LLM_MAX_OVERFLOW: '0' }, { startMs: 700 });
    expect(await slow.ask('patience')).toBe('patience');
    const never = await start(
      { LLM_POOL_SIZE: '1', LLM_MAX_OVERFLOW: '0', LLM_SPAWN_TIMEOUT: '300ms', LLM_REQUEST_TIMEOUT: '2s' },
      { startMs: 60_000 },
    );
    const error = await failure(never.ask('hello'));
    expect(error).toMatchObject({ status: 503, message: expect.stringContaining('pool_exhausted') });
    // Counted by the gateway: a process may be ended before it has come to note anything.
    await until(async () => {
      const metrics = await (await fetch(`${never.gateway.url}/metrics`)).text();
      const failed = /^llm_session_restarts_total\{reason="spawn_failed"\} (\d+)$/m.exec(metrics)?.[1];
      return Number(failed ?? 0) >= 2;
    });
  });

  test('its processes are killed from without, also all at once, and the pool is full again', async () => {
    const { cli, client, full, ask, sessions } = await start({ LLM_POOL_SIZE: '3' });
    await full();
    const stream = await client.chat.completions.create({
      model: 'claude-sonnet',
      messages: [{ role: 'user', content: 'slowly delay=50 repeat=20' }],
      stream: true,
    });
    const all = cli.alive();
    const read = async () => {
      for await (const { choices } of stream) {
        if (choices[0]?.delta.content) for (const pid of all) if (isThere(pid)) process.kill(pid, 'SIGKILL');
      }
    };
    expect(await failure(read())).toMatchObject({ code: 'upstream_interrupted' });
    // A request that meets one whose end is not known yet is asked once more, and no more often.
    await until(async () => (await sessions()).sessions.every(({ pid }) => !all.includes(Number(pid))));
    expect(await ask('again')).toBe('again');
    await full();
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
    const { ask, gateway } = await start({ LLM_POOL_SIZE: '4', LLM_CLI_PATH: '/nowhere/claude' });
    expect(await failure(ask('hello'))).toMatchObject({
      status: 502,
      message: expect.stringContaining('not found'),
    });
    expect(gateway.log.filter(({ message }) => message === 'provider answers')).not.toContainEqual(
      expect.objectContaining({ provider: 'cli' }),
    );
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

  test('has a session that heeds neither an interrupt nor a request to end killed', async () => {
    const { cli, ask, full, client } = await start({ LLM_POOL_SIZE: '1' }, { stubborn: true });
    await full();
    const leaving = new AbortController();
    const left = failure(
      client.chat.completions.create(
        { model: 'claude-sonnet', messages: [{ role: 'user', content: 'hang-at=5 deaf=yes' }] },
        { signal: leaving.signal },
      ),
    );
    await until(() => cli.notes('turn').length === 1);
    const [turn] = cli.notes('turn');
    leaving.abort();
    await left;
    // Its place is taken before it is gone.
    expect(await ask('another')).toBe('another');
    await until(() => !isThere(Number(turn?.['pid'])), 10_000);
  }, 20_000);

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
    const { client, ask, full, gateway } = await start({
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
    await full();
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    const total = (status: string) =>
      Number(
        new RegExp(
          `^llm_requests_total\\{backend="cli",model="claude-sonnet",status="${status}"\\} (\\d+)$`,
          'm',
        ).exec(metrics)?.[1] ?? 0,
      );
    expect([total('timeout'), total('rejected')]).toEqual([1, 2]);
    expect(metrics).toMatch(
      /^llm_request_duration_seconds_bucket\{backend="cli",model="claude-sonnet",le="0.25"\} /m,
    );
  });
});

describe('the pool', () => {
  test('is told of on REST and RPC, without prompts', async () => {
    const { ask, gateway, sessions, full } = await start({
      LLM_GATEWAY_ADMIN_TOKEN: 'an-admin-token-0123456789',
    });
    await full();
    const asked = ask('a secret of mine delay=30');
    await until(async () =>
      (await sessions()).sessions.some((session) => session['cli_session_id'] !== null),
    );
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
    expect(await (await fetch(`${gateway.url}/health`)).json()).toMatchObject({
      status: 'healthy',
      backend: 'api',
      pool: null,
      cache: 'disabled',
    });
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
    // All hangs on sessions, and there are none.
    const health = await fetch(`${gateway.url}/health`);
    expect([health.status, await health.json()]).toMatchObject([503, { status: 'unhealthy', pool: null }]);
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

test('what a program has started ends with its session, also where it has left its group', async () => {
  const { ask, cli, gateway } = await start({ LLM_POOL_SIZE: '1' });
  await ask('children=yes');
  const children = cli.notes('child').map(({ child }) => Number(child));
  expect(children.length).toBe(2);
  await until(() => !children.some(isThere));
  await ask('children=yes');
  await gateway.stop();
  await until(() => !cli.notes('child').some(({ child }) => isThere(Number(child))));
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

  test('leaves nothing of what the programs have started, in the middle of a turn', async () => {
    const [cli, gateway] = await startProcess({ stubborn: true });
    const asked = fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'claude-sonnet',
        messages: [{ role: 'user', content: 'children=yes hang-at=5 deaf=yes' }],
      }),
    }).catch(() => null);
    await until(() => cli.notes('child').length === 2);
    expect(cli.notes('child').filter(({ child }) => isThere(Number(child))).length).toBe(2);
    await gateway.kill();
    await asked;
    await until(() => cli.alive().length === 0, 5_000);
    await until(() => !cli.notes('child').some(({ child }) => isThere(Number(child))), 5_000);
  });
});
