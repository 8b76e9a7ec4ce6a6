import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** One recorded exchange with the Gemini API or Vertex AI. */
export interface GeminiExchange {
  readonly title: string;
  readonly endpoint: string;
  readonly vertex: boolean;
  /** The model's name in the address. */
  readonly model: string;
  readonly path: string;
  readonly request: Record<string, unknown> | null;
  readonly response: { readonly status: number; readonly type: string; readonly text: string };
  readonly sse: boolean;
  /** What whoever recorded it read in it. */
  readonly derived: {
    readonly text?: string;
    readonly thinking?: string;
    readonly tool_calls?: readonly {
      readonly id: string | null;
      readonly name: string;
      readonly args: unknown;
    }[];
    readonly finish?: string;
    readonly usage?: Readonly<Record<string, number | undefined>>;
    readonly vectors?: number;
    readonly dims?: number;
  };
}

interface Interaction {
  n: number;
  request: { url: string; body: { json?: Record<string, unknown> } | null };
  response: { status: number; replay_content_type: string; body: { text?: string } };
  derived: GeminiExchange['derived'] & { framing: string };
}

const folder =
  process.env['GATEWAY_RECORDINGS'] ?? path.resolve(import.meta.dirname, '../../../../../shared/recordings');

/** All recorded exchanges, from `GATEWAY_RECORDINGS`; none, with a message, where the folder is missing. */
export function recordedGemini(): GeminiExchange[] {
  if (!existsSync(folder)) {
    console.warn(`skipped: no recordings in ${folder} (set GATEWAY_RECORDINGS)`);
    return [];
  }
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json') && /^(?:gemini|vertex)$/.test(file.split(path.sep)[0] ?? ''))
    .filter((file) => file.split(path.sep)[1] !== 'messages')
    .sort()
    .flatMap((file) => {
      const [provider = '', endpoint = '', kind] = file.split(path.sep);
      const { interactions } = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as {
        interactions: Interaction[];
      };
      return interactions.map(({ n, request, response, derived }) => ({
        title: `${provider} ${endpoint} ${kind} ${path.basename(file, '.json').slice(-24)} ${n}`,
        endpoint,
        vertex: provider === 'vertex',
        model: /\/models\/([^/:?]+)/.exec(request.url)?.[1] ?? '',
        path: new URL(request.url).pathname,
        request: request.body?.json ?? null,
        response: {
          status: response.status,
          type: response.replay_content_type,
          text: response.body.text ?? '',
        },
        sse: derived.framing === 'sse',
        derived,
      }));
    });
}
