import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startUpstream } from '../http/support/upstream.ts';
import { type RunningGateway, startGateway } from './gateway.ts';
import { pieces, type Recording } from './recordings.ts';

/** A gateway all of whose providers are one upstream that plays recorded answers, cut at places that look random. */
export interface ReplayedGateway extends RunningGateway {
  /** What the upstream answers from now on. */
  play(recording: Recording): void;
  /** The latest body that the upstream got. */
  asked(): Record<string, unknown>;
}

/** @param responses whether providers that have the Responses API are asked by it */
export async function startReplayedGateway(responses: boolean): Promise<ReplayedGateway> {
  const upstream = await startUpstream();
  let playing: Recording | null = null;
  let asked: Record<string, unknown> = {};
  upstream.answerAll(async ({ socket, body }) => {
    if (body === '') return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    asked = JSON.parse(body);
    if (playing === null) throw new Error('nothing is played');
    const { status, headers, bytes } = playing.response;
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`HTTP/1.1 ${status} Replayed\r\n${head.join('')}content-length: ${bytes.length}\r\n\r\n`);
    for (const piece of pieces(bytes)) {
      socket.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  const folder = mkdtempSync(path.join(tmpdir(), 'replay-'));
  const file = path.join(folder, 'gateway.yaml');
  const { origin } = upstream;
  const openai = `base_url: "${origin}/v1", api_key: k, responses: ${responses}`;
  writeFileSync(
    file,
    `providers:
  ${['openai', 'azure', 'open-responses', 'openrouter', 'xai'].map((name) => `${name}: { ${openai} }`).join('\n  ')}
  deepseek: { base_url: "${origin}/v1", api_key: k }
  groq: { base_url: "${origin}/v1", api_key: k, dialect: { history_annotations: drop, developer_role: system } }
  llamacpp: { base_url: "${origin}/v1" }
  anthropic: { base_url: "${origin}", api_key: k }
  vertex-anthropic: { form: anthropic, base_url: "${origin}", headers: { authorization: Bearer k } }
  google: { base_url: "${origin}/v1beta", api_key: k }
  vertex-google: { form: google, base_url: "${origin}/v1", headers: { authorization: Bearer k } }
  ollama: { base_url: "${origin}" }
  bedrock: { base_url: "${origin}" }
  bedrock-claude: { form: bedrock, claude_api: invoke, base_url: "${origin}" }
`,
  );
  const gateway = await startGateway({
    LLM_GATEWAY_CONFIG: file,
    LLM_GATEWAY_LLAMACPP_BASE_URL: `${origin}/v1`,
    LLM_GATEWAY_OLLAMA_BASE_URL: origin,
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'k',
    AWS_REGION: 'us-east-1',
    // What is sent is compared with what was recorded, where nothing had been added to the client's words.
    LLM_GATEWAY_REASONING_STATE_MAX_BYTES: '0',
  });
  return {
    ...gateway,
    play(recording) {
      playing = recording;
    },
    asked: () => asked,
    async stop() {
      await gateway.stop();
      upstream.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The provider of the gateway that plays a recording: another's wire form is a few lines of configuration. */
export const playedBy = ({ provider, endpoint }: Recording): string =>
  names[`${provider}/${endpoint}`] ?? provider;
const names: Readonly<Record<string, string>> = {
  'gemini/generateContent': 'google',
  'vertex/generateContent': 'vertex-google',
  'gemini/embed': 'google',
  'vertex/messages': 'vertex-anthropic',
  'bedrock/invoke': 'bedrock-claude',
};

/** Model by which the gateway sends a recorded request to its provider. */
export function modelOf(recording: Recording): string {
  const { url, json } = recording.request;
  const inPath = /\/models?\/([^/:]+(?:%3A[^/:]+)?)/.exec(url)?.[1];
  const model = json?.['model'] ?? (inPath === undefined ? 'recorded-model' : decodeURIComponent(inPath));
  return `${playedBy(recording)}/${model}`;
}
