import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Answer, answers } from '../golden/answers.ts';
import { startUpstream } from '../http/support/upstream.ts';
import { type RunningGateway, startGateway } from './gateway.ts';

/** Models of providers of every wire form, by the names that their answers have in tests/golden/answers.ts. */
export const playedModels = {
  openai: 'openai/gpt-5.2',
  anthropic: 'anthropic/claude-sonnet-4-5',
  google: 'google/gemini-2.5-flash',
  'bedrock-claude': 'bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0',
  ollama: 'ollama/qwen3:8b',
} as const;
export type Played = keyof typeof playedModels;

/** A gateway in front of a server that plays every provider. */
export interface PlayedGateway extends RunningGateway {
  /** How the providers answer from now on; at first each with its answer of tests/golden/answers.ts. */
  play(answer: Answer | null): void;
  /** The last body that a provider got, as text. */
  asked(): string;
}

const formOf = (head: string): Played => {
  if (head.includes('/chat/completions')) return 'openai';
  if (head.includes('/v1/messages')) return 'anthropic';
  if (head.includes('enerateContent')) return 'google';
  return head.includes('/api/chat') ? 'ollama' : 'bedrock-claude';
};

export async function startPlayedGateway(): Promise<PlayedGateway> {
  const upstream = await startUpstream();
  let asked = '';
  let playing: Answer | null = null;
  upstream.answerAll(({ head, body, socket }) => {
    // Lists of models are asked for, too.
    if (body === '') return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    asked = body;
    const answer = playing ?? answers[formOf(head)];
    if (answer === undefined) throw new Error('no answer');
    const streamed = /streamGenerateContent|converse-stream|"stream":true/.test(head + body);
    const bytes = streamed ? answer.stream : Buffer.from(answer.whole);
    const type = streamed ? answer.streamType : answer.type;
    socket.write(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${bytes.length}\r\n\r\n`);
    socket.write(bytes);
  });
  const folder = mkdtempSync(path.join(tmpdir(), 'played-'));
  const file = path.join(folder, 'gateway.yaml');
  const { origin } = upstream;
  writeFileSync(
    file,
    `providers:
  openai: { base_url: "${origin}/v1", api_key: k }
  anthropic: { base_url: "${origin}", api_key: k }
  google: { base_url: "${origin}/v1beta", api_key: k }
  bedrock: { base_url: "${origin}", api_key: k, region: eu-west-1 }
  ollama: { base_url: "${origin}" }
`,
  );
  const gateway = await startGateway({ LLM_GATEWAY_CONFIG: file, LLM_GATEWAY_OLLAMA_BASE_URL: origin });
  return {
    ...gateway,
    play(answer) {
      playing = answer;
    },
    asked: () => asked,
    async stop() {
      await gateway.stop();
      upstream.close();
      rmSync(folder, { recursive: true });
    },
  };
}
