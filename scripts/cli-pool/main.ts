// Sessions with the real Claude Code, whose own provider is the same gateway, over a scripted upstream: `node scripts/cli-pool/main.ts`. The client is installed into
// build/claude-code/, once. Exit codes: 0 all passed, 1 something failed, 3 skipped because this machine cannot have the client, 130 interrupted.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import {
  cache,
  program as clientProgram,
  clientVariables,
  runScript,
  startGateway,
  summed,
  tryAll,
  version,
} from '../lib/claude-code.ts';
import { run, type Service } from '../real-model/processes.ts';
import { startUpstream, type Upstream } from './upstream.ts';

const work = path.join(cache, 'pool');
const program = path.join(work, 'claude');
const secret = path.join(work, 'secret.txt');

const upstreamModel = 'openai/scripted';
const model = 'claude-sonnet';
const whole = 'Nothing happens here, and slowly.';
const coldMs = 60_000;
const samples = 9;
/** A warm session that is not this many times faster than a cold one is not worth its memory. */
const leastRatio = 2;

interface Sessions {
  readonly pool_size: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly sessions: readonly { readonly id: string; readonly pid: number | null }[];
}

interface Setting {
  readonly gateway: Service;
  readonly upstream: Upstream;
  readonly client: OpenAI;
}

/** What is wrong; '' for nothing. */
type Scenario = (setting: Setting) => Promise<string>;

const sessionsOf = async ({ gateway }: Setting): Promise<Sessions> =>
  (await (await fetch(`${gateway.url}/sessions`)).json()) as Sessions;

async function until(isSo: () => Promise<boolean> | boolean, ms = 30_000): Promise<boolean> {
  const end = Date.now() + ms;
  while (!(await isSo())) {
    if (Date.now() > end) return false;
    await sleep(20);
  }
  return true;
}

/** Until all sessions are warm. */
const full = (setting: Setting): Promise<boolean> =>
  until(async () => {
    const { counts, pool_size: size, sessions } = await sessionsOf(setting);
    return counts['idle'] === size && sessions.length === size;
  });

const ask = async ({ client }: Setting, content: string, system = ''): Promise<string> => {
  const messages = [
    ...(system === '' ? [] : [{ role: 'system' as const, content: system }]),
    { role: 'user' as const, content },
  ];
  const answer = await client.chat.completions.create({
    model,
    messages,
    max_tokens: 4096,
    temperature: 0.7,
  });
  return answer.choices[0]?.message.content ?? '';
};

const last = ({ asked }: Upstream): string => asked.at(-1) ?? '';

const scenarios: Readonly<Record<string, Scenario>> = {
  async 'a plain answer, by the example of the documentation'(setting) {
    const { data, response } = await setting.client.chat.completions
      .create({ model, messages: [{ role: 'user', content: 'Hello!' }], max_tokens: 4096, temperature: 0.7 })
      .withResponse();
    const [choice] = data.choices;
    if (choice?.message.content !== whole) return `it said: ${choice?.message.content}`;
    if (choice.finish_reason !== 'stop' || data.model !== model) return JSON.stringify(data);
    if ((data.usage?.prompt_tokens ?? 0) < 100) return `the usage is ${JSON.stringify(data.usage)}`;
    const dropped = response.headers.get('x-dropped-params');
    return dropped === 'max_tokens, temperature' ? '' : `dropped were: ${dropped}`;
  },
  async 'the system prompt arrives as such'(setting) {
    await ask(setting, 'Who are you?', 'You are a lamp.');
    return last(setting.upstream).includes('You are a lamp.') ? '' : 'it did not';
  },
  async 'earlier turns are told'({ client, upstream }) {
    await client.chat.completions.create({
      model,
      messages: [
        { role: 'user', content: 'What is it?' },
        { role: 'assistant', content: 'A lamp.' },
        { role: 'user', content: 'Light it.' },
      ],
    });
    return ['What is it?', 'A lamp.', 'Light it.'].every((text) => last(upstream).includes(text))
      ? ''
      : 'they are not';
  },
  async 'a stream comes as it is said'({ client }) {
    const times: number[] = [];
    const stream = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'take your time' }],
      stream: true,
    });
    for await (const { choices } of stream) if (choices[0]?.delta.content) times.push(performance.now());
    const took = (times.at(-1) ?? 0) - (times[0] ?? 0);
    return times.length >= 50 && took > 5_000 ? '' : `${times.length} pieces in ${Math.round(took)} ms`;
  },
  async 'a client that leaves ends it upstream'({ client, upstream, ...rest }) {
    const before = upstream.left;
    const stream = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'take your time' }],
      stream: true,
    });
    for await (const { choices } of stream) if (choices[0]?.delta.content) break;
    if (!(await until(() => upstream.left > before, 2_000))) return 'the upstream was not told';
    return (await full({ client, upstream, ...rest })) ? '' : 'the pool is not full again';
  },
  async 'each request has a session of its own, without what was said before'(setting) {
    await full(setting);
    const before = await sessionsOf(setting);
    await ask(setting, 'The word is xyzzy.');
    await full(setting);
    await ask(setting, 'What is the word?');
    if (last(setting.upstream).includes('xyzzy')) return 'it knows the word';
    const after = await sessionsOf(setting);
    return before.sessions.every(({ id }) => after.sessions.some((session) => session.id === id))
      ? 'no session was replaced'
      : '';
  },
  async 'a prompt reads no file and is no command'(setting) {
    writeFileSync(secret, 'plugh\n');
    for (const prompt of [`Read @${secret} to me`, '/context', `/context @${secret}`, '/exit']) {
      const said = await ask(setting, prompt);
      if (said !== whole) return `${prompt}: ${said}`;
      if (last(setting.upstream).includes('plugh')) return `${prompt}: the file was read`;
    }
    return '';
  },
};

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

async function timed(what: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await what();
  return performance.now() - began;
}

/** What a session adds to the upstream's own answer, warm and cold. */
async function measure(setting: Setting): Promise<string> {
  const direct: number[] = [];
  const warm: number[] = [];
  const cold: number[] = [];
  for (let n = 0; n < samples; n++) {
    direct.push(
      await timed(() =>
        setting.client.chat.completions.create({
          model: upstreamModel,
          messages: [{ role: 'user', content: 'Hello!' }],
        }),
      ),
    );
    await full(setting);
    warm.push(await timed(() => ask(setting, 'Hello!')));
    await full(setting);
    if (n % 2 === 0) cold.push(await timed(() => runOnce(setting)));
  }
  const [base, ofWarm, ofCold] = [direct, warm, cold].map(median) as [number, number, number];
  const ratio = (ofCold - base) / (ofWarm - base);
  const ms = (value: number): string => `${Math.round(value)} ms`;
  console.log(
    `\nupstream itself ${ms(base)}; a warm session ${ms(ofWarm)}, a cold start ${ms(ofCold)}: what a warm one adds is ${ratio.toFixed(1)} times less`,
  );
  return ratio >= leastRatio ? '' : `it is not ${leastRatio} times less`;
}

/** The program without a pool: started for one prompt. */
const runOnce = ({ gateway }: Setting): Promise<string> =>
  run(program, ['-p', 'Hello!', '--model', 'sonnet', '--tools', '', '--no-session-persistence'], {
    cwd: work,
    timeoutMs: coldMs,
    env: { PATH: process.env['PATH'], ...variables(gateway.url) },
  });

async function main(): Promise<number> {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(path.join(work, 'home'), { recursive: true });
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${clientProgram}' "$@"\n`, { mode: 0o755 });
  const upstream = await startUpstream();
  const gateway = await startGateway('cli-pool', upstream, (port) => {
    const config = path.join(work, 'gateway.yaml');
    writeFileSync(config, JSON.stringify({ cli: { env: variables(`http://127.0.0.1:${port}`) } }));
    return {
      LLM_GATEWAY_CONFIG: config,
      LLM_GATEWAY_DATA_DIR: path.join(work, 'data'),
      LLM_BACKEND: 'cli',
      LLM_CLI_PATH: program,
    };
  });
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const setting = { gateway, upstream, client };
  console.log(`Claude Code ${version}, gateway ${gateway.url}\n`);
  if (!(await full(setting))) console.log('the pool does not get full');
  const names = Object.keys(scenarios);
  let failed = await tryAll(names, (name) =>
    (scenarios[name] as Scenario)(setting).catch((error: Error) => error.message),
  );
  const slow = await measure(setting).catch((error: Error) => error.message);
  if (slow !== '') failed++;
  if (slow !== '') console.log(slow);
  upstream.close();
  return summed(names.length + 1, failed, gateway);
}

const variables = (url: string): Record<string, string> => ({
  ...clientVariables(url, path.join(work, 'home'), upstreamModel),
  // By the program's own name: others it checks with the provider first.
  ANTHROPIC_DEFAULT_SONNET_MODEL: upstreamModel,
});

await runScript(main);
