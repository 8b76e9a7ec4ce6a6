import { CodexAnswerDecoder, endOfTurn } from '../../codec/cli-codex/decode-answer.ts';
import { encodeTurn } from '../../codec/cli-codex/encode-turn.ts';
import { readFrame } from '../../codec/cli-codex/frames.ts';
import type { CliProgram } from './program.ts';

/** What it would do besides answering. */
const features = [
  'shell_tool',
  'unified_exec',
  'apps',
  'plugins',
  'hooks',
  'goals',
  'view_image',
  'image_generation',
  'browser_use',
  'computer_use',
  'multi_agent',
  'sleep_tool',
];

/** OpenAI's Codex, run without a user: it takes one prompt from its input, so a warm one is one that waits for it. */
export const codex: CliProgram = {
  command: 'codex',
  args: [
    'exec',
    '--json',
    '--ephemeral',
    '--skip-git-repo-check',
    '--ignore-rules',
    '--color',
    'never',
    '--sandbox',
    'read-only',
    ...features.flatMap((feature) => ['--disable', feature]),
    '--config',
    'web_search="disabled"',
  ],
  model: '',
  env: {},
  models: { codex: '', default: '' },
  dialect: {
    name: 'codex',
    switchesModel: false,
    oneShot: true,
    probe: () => null,
    setModel: () => null,
    turnReplies: 'turn_',
    settlesMs: 300,
    interrupt: () => null,
    // The prompt comes by the standard input.
    modelArguments: (model) => (model === '' ? ['-'] : ['--model', model, '-']),
    read(line) {
      const { json, output, last, told } = readFrame(line);
      return told ? { kind: 'frame', json, output, last } : { kind: 'note', json };
    },
    endIn: endOfTurn,
    sessionIdIn: ({ thread_id: id }) => (typeof id === 'string' ? id.slice(0, 128) : null),
  },
  encode: ({ request }, _model, mark) => encodeTurn(request.messages, mark),
  decoder: (names) => new CodexAnswerDecoder(names),
};
