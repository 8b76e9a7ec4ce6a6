import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** One recorded exchange with a real provider. */
export interface Recording {
  /** Tells it from the others in test names. */
  readonly title: string;
  readonly provider: string;
  /** The provider's API: "chat", "messages", "generateContent", "converse", "api_chat" … */
  readonly endpoint: string;
  /** What it shows: "tool-call-stream" … */
  readonly kind: string;
  readonly request: {
    readonly url: string;
    /** The body; null when the recording has none. */
    readonly json: Record<string, unknown> | null;
  };
  readonly response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly bytes: Buffer;
  };
  /** Whether the answer is a stream of any framing. */
  readonly stream: boolean;
  /** What whoever recorded it read in it, in the provider's own words. */
  readonly derived: Derived;
}

export interface Derived {
  readonly framing: 'json' | 'sse' | 'ndjson' | 'eventstream';
  readonly text?: string;
  readonly thinking?: string;
  readonly tool_calls?: readonly {
    readonly id: string | null;
    readonly name: string;
    readonly args: unknown;
  }[];
  readonly finish?: string;
  readonly usage?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message?: string };
  readonly vectors?: number;
  readonly dims?: number;
}

interface Interaction {
  n: number;
  request: { url: string; body: { json?: Record<string, unknown> } | null };
  response: {
    status: number;
    headers: Record<string, string>;
    replay_content_type: string;
    body: { text?: string; base64?: string };
  };
  derived: Derived;
}

const folder =
  process.env['GATEWAY_RECORDINGS'] ?? path.resolve(import.meta.dirname, '../../../shared/recordings');

/** Headers that matter to a client; the others are of the hop that was recorded. */
const kept = /^(?:retry-after|x-ratelimit-|x-should-retry|x-amzn-errortype)/;

/** All recorded exchanges, from `GATEWAY_RECORDINGS`; none, with a message, where the folder is missing. */
export function recordings(): Recording[] {
  if (!existsSync(folder)) {
    console.warn(`skipped: no recordings in ${folder} (set GATEWAY_RECORDINGS)`);
    return [];
  }
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json') && file.split(path.sep).length === 4)
    .sort()
    .flatMap((file) => {
      const [provider = '', endpoint = '', kind = ''] = file.split(path.sep);
      const { interactions } = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as {
        interactions: Interaction[];
      };
      return interactions.map(({ n, request, response, derived }) => ({
        title: `${provider} ${endpoint} ${kind} ${path.basename(file, '.json').slice(-24)} ${n}`,
        provider,
        endpoint,
        kind,
        request: { url: request.url, json: request.body?.json ?? null },
        response: {
          status: response.status,
          headers: {
            'content-type': response.replay_content_type,
            ...Object.fromEntries(Object.entries(response.headers).filter(([name]) => kept.test(name))),
          },
          bytes:
            response.body.base64 === undefined
              ? Buffer.from(response.body.text ?? '')
              : Buffer.from(response.body.base64, 'base64'),
        },
        stream: derived.framing !== 'json',
        derived,
      }));
    });
}

/** An answer as a client of the gateway sees it, in OpenAI's meaning. */
export interface Seen {
  text: string;
  thinking: string;
  toolCalls: { id: string; name: string; args: unknown }[];
  finish: string | null;
  usage: SeenUsage | null;
}

export interface SeenUsage {
  prompt: number;
  completion: number;
  total: number;
  cached: number;
  reasoning: number;
}

const finishes: Readonly<Record<string, string>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  tool_use: 'tool_calls',
  STOP: 'stop',
  MAX_TOKENS: 'length',
};

const count = (usage: Derived['usage'], ...path: string[]): number => {
  let value: unknown = usage;
  for (const key of path) value = (value as Record<string, unknown> | undefined)?.[key];
  return typeof value === 'number' ? value : 0;
};

const sum = (prompt: number, completion: number, cached: number, reasoning: number): SeenUsage => ({
  prompt,
  completion,
  total: prompt + completion,
  cached,
  reasoning,
});

/** How each API counts, in OpenAI's meaning. Source: the providers' API references. */
const usages: Readonly<Record<string, (usage: Derived['usage'], provider: string) => SeenUsage>> = {
  chat(usage, provider) {
    const reasoning = count(usage, 'completion_tokens_details', 'reasoning_tokens');
    const prompt = count(usage, 'prompt_tokens');
    const total = count(usage, 'total_tokens');
    let completion = count(usage, 'completion_tokens');
    // xAI counts reasoning beside the completion; in OpenAI's meaning it is a part.
    if (provider === 'xai' && total === prompt + completion + reasoning) completion += reasoning;
    return {
      prompt,
      completion,
      total,
      cached: count(usage, 'prompt_tokens_details', 'cached_tokens'),
      reasoning,
    };
  },
  messages(usage) {
    const cached = count(usage, 'cache_read_input_tokens');
    const prompt = count(usage, 'input_tokens') + cached + count(usage, 'cache_creation_input_tokens');
    const reasoning = count(usage, 'output_tokens_details', 'thinking_tokens');
    return sum(prompt, count(usage, 'output_tokens'), cached, reasoning);
  },
  generateContent(usage) {
    const prompt = count(usage, 'promptTokenCount') + count(usage, 'toolUsePromptTokenCount');
    const thoughts = count(usage, 'thoughtsTokenCount');
    const completion = count(usage, 'candidatesTokenCount') + thoughts;
    return sum(prompt, completion, count(usage, 'cachedContentTokenCount'), thoughts);
  },
  converse(usage) {
    const cached = count(usage, 'cacheReadInputTokens');
    const prompt = count(usage, 'inputTokens') + cached + count(usage, 'cacheWriteInputTokens');
    return sum(prompt, count(usage, 'outputTokens'), cached, 0);
  },
  api_chat: (usage) => sum(count(usage, 'prompt_eval_count'), count(usage, 'eval_count'), 0, 0),
};

/** What a client has to see of a recorded answer. Ids that the provider did not give are '', whatever the gateway makes. */
export function expectedOf({ derived, endpoint, provider }: Recording): Seen {
  const calls = derived.tool_calls ?? [];
  const finish = derived.finish === undefined ? null : (finishes[derived.finish] ?? derived.finish);
  const count = usages[endpoint === 'invoke' ? 'messages' : endpoint];
  return {
    text: derived.text ?? '',
    thinking: derived.thinking ?? '',
    toolCalls: calls.map(({ id, name, args }) => ({ id: id ?? '', name, args })),
    finish: calls.length > 0 && finish === 'stop' ? 'tool_calls' : finish,
    usage: derived.usage === undefined || count === undefined ? null : count(derived.usage, provider),
  };
}

/** A body cut at places that look random and are the same in every run, in the middle of characters, too. */
export function* pieces(bytes: Buffer): Generator<Buffer> {
  let state = bytes.length;
  for (let at = 0; at < bytes.length; ) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    const size = 1 + (state % 97);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}
