// Anthropic's command-line client, Claude Code, over the running gateway and a scripted provider of the OpenAI form:
// `node scripts/claude-code/main.ts`. The client is installed into build/claude-code/, once. Exit codes: 0 all passed,
// 1 something failed, 3 skipped because this machine cannot have the client, 130 interrupted.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  CommandFailed,
  freePort,
  run,
  type Service,
  startService,
  stopAll,
  tail,
} from '../real-model/processes.ts';
import { startUpstream, type Turn, textOf, type Upstream } from './upstream.ts';

const root = path.resolve(import.meta.dirname, '../..');
const cache = path.join(root, 'build/claude-code');
/** The environment may name another one. */
const version = process.env['CLAUDE_CODE_VERSION'] ?? '2.1.329';
const installed = path.join(cache, 'node_modules/@anthropic-ai/claude-code');
const program = path.join(installed, 'cli-wrapper.cjs');
const work = path.join(cache, 'work');
const file = path.join(work, 'word.txt');

const model = 'openai/scripted';
const installMs = 300_000;
const clientMs = 120_000;

/** One run of the client. */
interface Scenario {
  readonly name: string;
  readonly options: readonly string[];
  /** What the model does, by the results of tools that it has got. */
  readonly script: (results: readonly string[]) => Turn;
  /** How often the model is asked; null where the client decides that (it tries again with less when it is refused). */
  readonly turns: number | null;
  /** What is wrong with what the client printed; '' for nothing. */
  readonly check: (output: string, failed: boolean) => string;
}

const json = ['--output-format', 'json'];
const readFile = { name: 'Read', input: { file_path: file } };
const echo = { name: 'Bash', input: { command: 'echo plugh', description: 'Say a word' } };

interface Result {
  readonly type?: string;
  readonly is_error?: boolean;
  readonly result?: string;
  readonly usage?: { readonly input_tokens: number; readonly output_tokens: number };
}

const says = (result: Result, ...words: string[]): string => {
  if (result.is_error !== false) return `it failed: ${result.result}`;
  const missing = words.filter((word) => !result.result?.includes(word));
  return missing.length === 0 ? '' : `${missing.join(', ')} is not in: ${result.result}`;
};

const scenarios: readonly Scenario[] = [
  {
    name: 'a plain answer',
    options: json,
    script: () => ({ text: 'Nothing happens.' }),
    turns: 1,
    check: (output) => says(JSON.parse(output), 'Nothing happens.'),
  },
  {
    name: 'a tool, and an answer from its result',
    options: [...json, '--allowedTools', 'Read'],
    script: ([found]) =>
      found === undefined ? { text: 'I will look.', calls: [readFile] } : { text: `The file says: ${found}` },
    turns: 2,
    check(output) {
      const result = JSON.parse(output) as Result;
      const { input_tokens: input, output_tokens: made } = result.usage ?? {};
      if (input !== 200 || made !== 40) return `the usage of two turns is ${input}+${made}, not 200+40`;
      return says(result, 'xyzzy');
    },
  },
  {
    name: 'two tools at once, their arguments interleaved',
    options: [...json, '--allowedTools', 'Read,Bash(echo:*)'],
    script: (results) =>
      results.length === 0 ? { calls: [readFile, echo] } : { text: `They say: ${results.join(' and ')}` },
    turns: 2,
    check: (output) => says(JSON.parse(output), 'xyzzy', 'plugh'),
  },
  {
    name: 'thoughts before a tool, every event printed',
    options: [
      '--output-format',
      'stream-json',
      '--verbose',
      '--include-partial-messages',
      '--allowedTools',
      'Read',
    ],
    script: ([found]) =>
      found === undefined
        ? { thought: 'Where may it be?', calls: [readFile] }
        : { text: `The file says: ${found}` },
    turns: 2,
    check(output) {
      const events = output
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Result & { event?: { delta?: { type?: string } } });
      for (const type of ['thinking_delta', 'input_json_delta', 'text_delta']) {
        if (!events.some(({ event }) => event?.delta?.type === type)) return `no ${type} was printed`;
      }
      return says(events.at(-1) ?? {}, 'xyzzy');
    },
  },
  {
    name: "the provider's refusal is told",
    options: json,
    script: () => ({ failure: 'the hall is closed' }),
    turns: null,
    check(output, failed) {
      const { is_error: isError, result } = JSON.parse(output) as Result;
      if (!failed || isError !== true) return 'it did not fail';
      return result?.includes('the hall is closed') ? '' : `the reason is not in: ${result}`;
    },
  },
];

async function main(): Promise<number> {
  try {
    await install();
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    console.error(`skipped: cannot install @anthropic-ai/claude-code ${version}: ${error.message}`);
    return 3;
  }
  const upstream = await startUpstream();
  const gateway = await startGateway(upstream);
  console.log(`Claude Code ${version}, gateway ${gateway.url}, model ${model}\n`);
  const width = Math.max(...scenarios.map(({ name }) => name.length));
  let failed = 0;
  for (const scenario of scenarios) {
    const problem = await tryScenario(scenario, upstream, gateway);
    if (problem !== '') failed++;
    console.log(`${scenario.name.padEnd(width)}  ${problem === '' ? 'passed' : `failed\n    ${problem}`}`);
  }
  upstream.close();
  console.log(`\n${scenarios.length - failed} passed, ${failed} failed`);
  if (failed > 0) console.log(`\nend of ${gateway.logFile}:\n${tail(gateway.logFile)}`);
  return failed > 0 ? 1 : 0;
}

/** The client without its install script, which would only copy its program. */
async function install(): Promise<void> {
  const description = path.join(installed, 'package.json');
  if (existsSync(description) && JSON.parse(readFileSync(description, 'utf8')).version === version) return;
  mkdirSync(cache, { recursive: true });
  writeFileSync(path.join(cache, 'package.json'), '{"private":true}');
  const name = `@anthropic-ai/claude-code@${version}`;
  await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', name], {
    cwd: cache,
    timeoutMs: installMs,
  });
}

async function startGateway(upstream: Upstream): Promise<Service> {
  const port = await freePort();
  return startService({
    name: 'gateway',
    command: process.execPath,
    args: ['src/main.ts'],
    port,
    healthPath: '/health/live',
    logFolder: path.join(cache, 'logs'),
    cwd: root,
    // Not the caller's environment: keys, limits or stores that are set there would change what is tested.
    env: {
      PATH: process.env['PATH'],
      LLM_GATEWAY_HOST: '127.0.0.1',
      LLM_GATEWAY_PORT: `${port}`,
      OPENAI_API_KEY: 'none',
      LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.url}/v1`,
    },
    timeoutMs: 30_000,
  });
}

async function tryScenario(scenario: Scenario, upstream: Upstream, gateway: Service): Promise<string> {
  upstream.play((messages) => scenario.script(messages.filter(({ role }) => role === 'tool').map(textOf)));
  rmSync(work, { recursive: true, force: true });
  mkdirSync(path.join(work, 'home'), { recursive: true });
  writeFileSync(file, 'the word is xyzzy\n');
  let output = '';
  let failure = '';
  try {
    const args = [program, '-p', 'What is the word?', '--model', model, ...scenario.options];
    await run(process.execPath, args, {
      cwd: work,
      env: clientEnvironment(gateway),
      timeoutMs: clientMs,
      onOutput: (text) => {
        output += text;
      },
    });
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    failure = error.message;
  }
  try {
    const problem = scenario.check(output, failure !== '');
    if (problem !== '') return problem;
    const { turns } = scenario;
    return turns === null || upstream.turns === turns ? '' : `${upstream.turns} turns instead of ${turns}`;
  } catch (error) {
    return `${failure}\n    ${error instanceof Error ? error.message : error}\n    it printed: ${output.slice(0, 2_000)}`;
  }
}

/** Nothing of the caller's: neither account nor settings. */
const clientEnvironment = (gateway: Service): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: path.join(work, 'home'),
  SHELL: '/bin/bash',
  ANTHROPIC_BASE_URL: gateway.url,
  ANTHROPIC_API_KEY: 'none',
  ANTHROPIC_DEFAULT_HAIKU_MODEL: model,
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  DISABLE_AUTOUPDATER: '1',
  // A refusal has to show, not to be tried again for minutes.
  CLAUDE_CODE_MAX_RETRIES: '0',
});

let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interrupted = true;
    void stopAll();
  });
}

let code = 1;
try {
  code = await main();
} catch (error) {
  if (!interrupted) console.error(error instanceof Error ? error.message : error);
} finally {
  await stopAll();
}
process.exit(interrupted ? 130 : code);
