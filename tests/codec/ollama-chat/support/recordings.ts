import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** One recorded exchange with a real Ollama. */
export interface OllamaExchange {
  readonly title: string;
  readonly request: Record<string, unknown>;
  readonly response: { readonly status: number; readonly type: string; readonly text: string };
  readonly stream: boolean;
  /** What whoever recorded it read in it. */
  readonly derived: {
    readonly text?: string;
    readonly thinking?: string;
    readonly tool_calls?: readonly { readonly id: string; readonly name: string; readonly args: unknown }[];
    readonly finish?: string;
    readonly usage?: { readonly prompt_eval_count: number; readonly eval_count: number };
    readonly error?: { readonly message?: string };
    readonly vectors?: number;
    readonly dims?: number;
  };
}

interface Interaction {
  n: number;
  request: { body: { json: Record<string, unknown> } };
  response: { status: number; replay_content_type: string; body: { text: string } };
  derived: OllamaExchange['derived'] & { framing: string };
}

/**
 * Whether the recordings of an endpoint are replayed. /api/generate is not: it is Ollama's older call for a prompt without a
 * conversation, which the gateway never makes, because /api/chat says everything that it does.
 */
export const replayed: Readonly<Record<string, boolean>> = {
  api_chat: true,
  api_embed: true,
  api_generate: false,
};

const folder = path.join(
  process.env['GATEWAY_RECORDINGS'] ?? path.resolve(import.meta.dirname, '../../../../../shared/recordings'),
  'ollama',
);

/** The endpoints of which there are recordings. */
export const recordedEndpoints = (): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);

/** The recordings of an endpoint; none, with a message, where the folder is missing. */
export function recorded(endpoint: 'api_chat' | 'api_embed'): OllamaExchange[] {
  const own = path.join(folder, endpoint);
  if (!existsSync(own)) {
    console.warn(`skipped: no recordings in ${own} (set GATEWAY_RECORDINGS)`);
    return [];
  }
  return readdirSync(own, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json'))
    .sort()
    .flatMap((file) => {
      const { interactions } = JSON.parse(readFileSync(path.join(own, file), 'utf8')) as {
        interactions: Interaction[];
      };
      return interactions.map(({ n, request, response, derived }) => ({
        title: `${path.dirname(file)} ${path.basename(file, '.json').slice(-24)} ${n}`,
        request: request.body.json,
        response: { status: response.status, type: response.replay_content_type, text: response.body.text },
        stream: derived.framing === 'ndjson',
        derived,
      }));
    });
}
