import { encodeMessagesRequest } from '../../codec/anthropic-messages/encode-request.ts';
import { endOfTurn } from '../../codec/cli-claude/decode-result.ts';
import { encodeTurn, interrupt, refuse, setModel, turnReplies } from '../../codec/cli-claude/encode-turn.ts';
import { readFrame } from '../../codec/cli-claude/frames.ts';
import { ClaudeAnswerDecoder } from './claude-answer.ts';
import type { CliProgram } from './program.ts';

/** Claude Code, as its Agent SDK speaks with it. */
export const claude: CliProgram = {
  command: 'claude',
  args: [
    '-p',
    '--input-format',
    'stream-json',
    '--output-format',
    'stream-json',
    '--verbose',
    '--include-partial-messages',
    '--tools',
    '',
    '--permission-mode',
    'dontAsk',
    '--strict-mcp-config',
    '--setting-sources=',
    '--disable-slash-commands',
    '--no-session-persistence',
    '--system-prompt',
    'You are a helpful assistant.',
  ],
  model: 'sonnet',
  env: {
    // Else `@/path` in a prompt has it read that file, tools or not.
    CLAUDE_CODE_DISABLE_ATTACHMENTS: '1',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
    // The gateway has its own way of trying again.
    CLAUDE_CODE_MAX_RETRIES: '1',
  },
  models: { 'claude-sonnet': 'sonnet', 'claude-opus': 'opus', 'claude-haiku': 'haiku' },
  dialect: {
    name: 'claude',
    switchesModel: true,
    oneShot: false,
    probe: setModel,
    setModel,
    turnReplies,
    settlesMs: 0,
    interrupt,
    modelArguments: (model) => ['--model', model],
    read(line) {
      const frame = readFrame(line);
      switch (frame.kind) {
        case 'control_response':
          return { ...frame, kind: 'reply' };
        case 'control_request':
          return { kind: 'question', refusal: refuse(frame.id) };
        case 'answer':
          return { kind: 'frame', json: frame.json, output: frame.output, last: frame.last };
        default:
          return frame;
      }
    },
    endIn: endOfTurn,
    sessionIdIn: ({ session_id: id }) => (typeof id === 'string' ? id.slice(0, 128) : null),
  },
  encode({ request, warn }, model, mark) {
    const { system, messages, warnings } = encodeMessagesRequest(request, { model, stream: true });
    if (warnings.length > 0) warn(warnings);
    const conversation = {
      ...(system === '' ? {} : { system: JSON.parse(system) }),
      messages: JSON.parse(messages),
    };
    return encodeTurn(conversation, { mark });
  },
  decoder: (names) => new ClaudeAnswerDecoder(names),
};
