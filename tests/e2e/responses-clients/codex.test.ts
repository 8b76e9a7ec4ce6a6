import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Codex, findCodex, setUpCodex } from '../../support/codex.ts';
import {
  type ScriptedGateway,
  startScripted,
  storyOf,
  textOf,
  withoutResponses,
} from '../../support/scripted-emulator.ts';

// OpenAI's Codex, which speaks nothing but the Responses API, over providers that do not have it.

const program = findCodex();
if (program === null)
  console.warn('skipped: there is no codex (npm install --prefix build/codex @openai/codex)');

/** A run takes a few seconds, most of it its own start. */
const runMs = 60_000;

let gateway: ScriptedGateway;
beforeAll(async () => {
  gateway = await startScripted();
});
afterAll(() => gateway?.stop());
beforeEach(() => {
  gateway.script = [];
  gateway.asked.length = 0;
});

const shell = (cmd: string) => ({ name: 'exec_command', arguments: JSON.stringify({ cmd }) });
/** What the model saw of the conversation at last, but for what Codex says of its surroundings, which is in tags. */
const story = () => {
  const last = gateway.asked.at(-1);
  const lines = last === undefined ? [] : storyOf(last);
  return lines.map((line) => line.replace(/^user: .*>\s*/s, 'user: ')).filter((line) => line !== 'user: ');
};
const result = () => {
  const last = gateway.asked.at(-1)?.messages.at(-1);
  return last === undefined ? '' : textOf(last);
};

describe.runIf(program !== null).each(withoutResponses)('Codex over %s', (name, model) => {
  let codex: Codex;
  beforeAll(() => {
    codex = setUpCodex(program as string, gateway.url, model);
  });
  afterAll(() => codex?.remove());

  test(
    'runs commands, one and two at once, and goes on in a second run',
    async () => {
      writeFileSync(path.join(codex.folder, 'word.txt'), 'xyzzy\n');
      gateway.script = [
        { content: 'I look.', toolCalls: [shell('cat word.txt')] },
        () => {
          expect(result()).toContain('xyzzy');
          return { toolCalls: [shell('echo plugh > new.txt'), shell('echo two-$((40+2))')] };
        },
        { content: 'The word is xyzzy.' },
      ];
      const first = await codex.exec('--json', '--skip-git-repo-check', 'What is the word?');
      expect(first.code, first.stderr).toBe(0);
      expect(first.items('agent_message').map(({ text }) => text)).toEqual(['I look.', 'The word is xyzzy.']);
      const commands = first.items('command_execution');
      expect(commands.map(({ exit_code: code }) => code)).toEqual([0, 0, 0]);
      expect(commands.map(({ aggregated_output: text }) => text?.trim()).sort()).toEqual([
        '',
        'two-42',
        'xyzzy',
      ]);
      expect(readFileSync(path.join(codex.folder, 'new.txt'), 'utf8')).toBe('plugh\n');
      expect(gateway.asked.length).toBe(3);
      expect(result()).toContain('two-42');

      gateway.script = [{ toolCalls: [shell('cat new.txt')] }, { content: `${name} is done.` }];
      const second = await codex.exec(
        'resume',
        '--last',
        '--json',
        '--skip-git-repo-check',
        'And the new one?',
      );
      expect(second.code, second.stderr).toBe(0);
      expect(second.items('agent_message').map(({ text }) => text)).toEqual([`${name} is done.`]);
      expect(story().map((line) => line.replace(/^< .*$/s, '<'))).toEqual([
        'user: What is the word?',
        'assistant: I look.',
        '> exec_command',
        '<',
        '> exec_command',
        '> exec_command',
        '<',
        '<',
        'assistant: The word is xyzzy.',
        'user: And the new one?',
        '> exec_command',
        '<',
      ]);
      expect(result()).toContain('plugh');
    },
    runMs,
  );

  test(
    'calls tools of its MCP servers, which it has in namespaces',
    async () => {
      const server = path.resolve(import.meta.dirname, '../../../node_modules/.bin/mcp-server-everything');
      const withServer = setUpCodex(
        program as string,
        gateway.url,
        model,
        `[mcp_servers.everything]\ncommand = "${process.execPath}"\nargs = ["${realpathSync(server)}", "stdio"]\nrequired = true\nstartup_timeout_sec = 60`,
      );
      gateway.script = [
        ({ tools = [] }) => {
          const echo = tools
            .map(({ function: { name: called } }) => called)
            .find((called) => called.endsWith('__echo'));
          return { toolCalls: [{ name: String(echo), arguments: '{"message":"frotz"}' }] };
        },
        { content: 'It echoes.' },
      ];
      const { code, items, stderr } = await withServer.exec(
        '--json',
        '--skip-git-repo-check',
        'Does it echo?',
      );
      withServer.remove();
      expect(code, stderr).toBe(0);
      expect(items('mcp_tool_call')).toMatchObject([
        { server: 'everything', tool: 'echo', status: 'completed' },
      ]);
      expect(items('agent_message').map(({ text }) => text)).toEqual(['It echoes.']);
      expect(result()).toContain('frotz');
    },
    runMs,
  );

  test(
    'says what the provider refused',
    async () => {
      gateway.script = [
        { error: { message: 'The hall is closed.', type: 'invalid_request_error' }, status: 400 },
      ];
      const { code, events } = await codex.exec('--json', '--skip-git-repo-check', 'What is the word?');
      expect(code).toBe(1);
      // The emulator's form of errors is not Bedrock's.
      const words = name === 'bedrock' ? 'status 400' : 'The hall is closed.';
      expect(JSON.stringify(events.filter(({ type }) => /error|failed/.test(type)))).toContain(words);
    },
    runMs,
  );
});
