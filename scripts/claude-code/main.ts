// Anthropic's command-line client, Claude Code, over the running gateway and a scripted provider of the OpenAI form:
// `node scripts/claude-code/main.ts`. The client is installed into build/claude-code/, once. Exit codes: 0 all passed,
// 1 something failed, 3 skipped because this machine cannot have the client, 130 interrupted.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  cache,
  clientVariables,
  program,
  runScript,
  startGateway,
  summed,
  tryAll,
  version,
} from '../lib/claude-code.ts';
import { CommandFailed, run, type Service } from '../real-model/processes.ts';
import { startUpstream, type Turn, textOf, type Upstream } from './upstream.ts';

const work = path.join(cache, 'work');
const file = path.join(work, 'word.txt');

const model = 'openai/scripted';
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
  const upstream = await startUpstream();
  const gateway = await startGateway('gateway', upstream);
  console.log(`Claude Code ${version}, gateway ${gateway.url}, model ${model}\n`);
  const failed = await tryAll(
    scenarios.map(({ name }) => name),
    (wanted) => tryScenario(scenarios.find(({ name }) => name === wanted) as Scenario, upstream, gateway),
  );
  upstream.close();
  return summed(scenarios.length, failed, gateway);
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

const clientEnvironment = (gateway: Service): NodeJS.ProcessEnv => ({
  ...clientVariables(gateway.url, path.join(work, 'home'), model),
  PATH: process.env['PATH'],
  SHELL: '/bin/bash',
  // A refusal has to show, not to be tried again for minutes.
  CLAUDE_CODE_MAX_RETRIES: '0',
});

await runScript(main);
