import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** One recorded exchange with Bedrock. */
export interface BedrockExchange {
  readonly title: string;
  readonly endpoint: 'converse' | 'invoke';
  /** The model's id, out of the path. */
  readonly model: string;
  /** Path as it was sent. */
  readonly path: string;
  readonly request: Record<string, unknown>;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** The answer is an event stream. */
  readonly stream: boolean;
  /** What whoever recorded it read in it. */
  readonly derived: {
    readonly events: number;
    readonly text?: string;
    readonly tool_calls?: readonly { readonly id: string; readonly name: string; readonly args: unknown }[];
    readonly finish?: string;
    readonly usage?: {
      readonly inputTokens: number;
      readonly outputTokens: number;
      readonly totalTokens: number;
    };
    readonly error?: { readonly message?: string };
  };
}

interface Interaction {
  n: number;
  request: { url: string; body: { json: Record<string, unknown> } };
  response: {
    status: number;
    headers: Record<string, string>;
    replay_content_type: string;
    body: { text?: string; base64?: string };
  };
  derived: BedrockExchange['derived'] & { framing: string };
}

const folder = path.join(
  process.env['GATEWAY_RECORDINGS'] ?? path.resolve(import.meta.dirname, '../../../shared/recordings'),
  'bedrock',
);

/** All recorded exchanges with Bedrock, from `GATEWAY_RECORDINGS`; none, with a message, where the folder is missing. */
export function recordedBedrock(): BedrockExchange[] {
  if (!existsSync(folder)) {
    console.warn(`skipped: no recordings in ${folder} (set GATEWAY_RECORDINGS)`);
    return [];
  }
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json'))
    .sort()
    .flatMap((file) => {
      const [endpoint = '', kind] = file.split(path.sep);
      const { interactions } = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as {
        interactions: Interaction[];
      };
      return interactions.map(({ n, request, response, derived }) => {
        const { pathname } = new URL(request.url);
        const { text = '', base64 } = response.body;
        return {
          title: `${endpoint} ${kind} ${path.basename(file, '.json').slice(-24)} ${n}`,
          endpoint: endpoint as BedrockExchange['endpoint'],
          model: decodeURIComponent(pathname.split('/')[2] ?? ''),
          path: pathname,
          request: request.body.json,
          status: response.status,
          headers: { ...response.headers, 'content-type': response.replay_content_type },
          body: base64 === undefined ? Buffer.from(text) : Buffer.from(base64, 'base64'),
          stream: derived.framing === 'eventstream',
          derived,
        };
      });
    });
}
