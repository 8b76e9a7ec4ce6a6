import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** One recorded exchange of chat completions with a real provider. */
export interface Exchange {
  readonly title: string;
  readonly provider: string;
  /** The recorded body; null when the recording has none. */
  readonly request: Record<string, unknown> | null;
  readonly response: {
    readonly status: number;
    readonly headers: Record<string, string>;
    readonly text: string;
  };
  readonly sse: boolean;
  /** What whoever recorded it read in it. */
  readonly derived: {
    readonly text?: string;
    readonly thinking?: string;
    readonly tool_calls?: readonly { readonly id: string; readonly name: string; readonly args: unknown }[];
    readonly finish?: string;
    readonly usage?: {
      readonly prompt_tokens: number;
      readonly completion_tokens: number;
      readonly total_tokens: number;
      readonly prompt_tokens_details?: { readonly cached_tokens?: number };
      readonly completion_tokens_details?: { readonly reasoning_tokens?: number };
    };
    readonly error?: { readonly message?: string };
  };
}

interface Interaction {
  n: number;
  request: { body: { json?: Record<string, unknown> } | null };
  response: {
    status: number;
    headers: Record<string, string>;
    replay_content_type: string;
    body: { text?: string };
  };
  derived: Exchange['derived'] & { framing: string };
}

const folder =
  process.env['GATEWAY_RECORDINGS'] ?? path.resolve(import.meta.dirname, '../../../shared/recordings');

/** Headers that matter to a client; the others are of the hop that was recorded. */
const kept = /^(?:retry-after|x-ratelimit-|x-should-retry)/;

/**
 * All recorded chat exchanges, or those of another endpoint, from `GATEWAY_RECORDINGS`; none, with a message, where the folder is
 * missing.
 */
export function recordedChats(endpoint = 'chat'): Exchange[] {
  if (!existsSync(folder)) {
    console.warn(`skipped: no recordings in ${folder} (set GATEWAY_RECORDINGS)`);
    return [];
  }
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json') && file.split(path.sep)[1] === endpoint)
    .sort()
    .flatMap((file) => {
      const [provider = '', , kind] = file.split(path.sep);
      const { interactions } = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as {
        interactions: Interaction[];
      };
      return interactions.map(({ n, request, response, derived }) => ({
        title: `${provider} ${kind} ${path.basename(file, '.json').slice(-24)} ${n}`,
        provider,
        request: request.body?.json ?? null,
        response: {
          status: response.status,
          headers: {
            'content-type': response.replay_content_type,
            ...Object.fromEntries(Object.entries(response.headers).filter(([name]) => kept.test(name))),
          },
          text: response.body.text ?? '',
        },
        sse: derived.framing === 'sse',
        derived,
      }));
    });
}
