import type { ServerResponse } from 'node:http';
import { type Got, type JsonServer, send, startJsonServer } from './json-server.ts';

/** What a provider does with a request. */
export type Conduct = 'well' | 'fails' | 'busy' | 'breaks' | 'late' | 'hangs';
export const conducts: readonly Conduct[] = ['well', 'fails', 'busy', 'breaks', 'late', 'hangs'];

/** The providers that queries choose among: two that may have sensitive text, and three in one that may not. */
export interface QueryBackends {
  readonly ollama: Backend;
  readonly bedrock: Backend;
  /** OpenAI, Anthropic and Grok. */
  readonly others: Backend;
  /** The environment of a gateway that uses them, named as the platform names it. */
  readonly env: Record<string, string>;
  /** All are well, and nothing was asked. */
  reset(): void;
  close(): void;
}

export interface Backend {
  readonly server: JsonServer;
  conduct: Conduct;
  /** What was asked of it; whether it is there is not. */
  readonly asked: Got[];
}

const model = { id: 'c', created: 1, model: 'm' };
const usage = { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 };

function openaiForm({ path, body }: Got, response: ServerResponse): unknown {
  if (path.endsWith('/embeddings')) {
    const data = [{ object: 'embedding', index: 0, embedding: [1, 2, 3] }];
    return send(response, 200, { object: 'list', data, model: 'm', usage });
  }
  if (body?.['stream'] !== true) {
    const message = { role: 'assistant', content: 'from the others' };
    const choices = [{ index: 0, message, finish_reason: 'stop' }];
    return send(response, 200, { ...model, object: 'chat.completion', choices, usage });
  }
  const chunk = (delta: object, finish: string | null): string =>
    `data: ${JSON.stringify({ ...model, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  const words = chunk({ role: 'assistant', content: 'from the others' }, null) + chunk({}, 'stop');
  return send(response, 200, `${words}data: [DONE]\n\n`, 'text/event-stream');
}

function ollamaForm({ path, body }: Got, response: ServerResponse): unknown {
  if (path === '/api/embed') return send(response, 200, { model: 'all-minilm', embeddings: [[1, 2]] });
  const line = (text: string, done: boolean): object => ({
    model: 'llama3',
    message: { role: 'assistant', content: text },
    done,
    ...(done ? { done_reason: 'stop', prompt_eval_count: 10, eval_count: 2 } : {}),
  });
  if (body?.['stream'] === false) return send(response, 200, line('from ollama', true));
  const lines = [line('from ', false), line('ollama', false), line('', true)];
  const text = lines.map((one) => `${JSON.stringify(one)}\n`).join('');
  return send(response, 200, text, 'application/x-ndjson');
}

const proxyForm = (_got: Got, response: ServerResponse): void =>
  send(response, 200, { success: true, response: 'from bedrock', error: null });

const lateMs = 60;

async function startBackend(
  paths: readonly string[],
  answer: (got: Got, response: ServerResponse) => unknown,
): Promise<Backend> {
  const server = await startJsonServer();
  const backend: Backend = { server, conduct: 'well', asked: [] };
  for (const path of paths) {
    server.routes[path] = (got, response) => {
      backend.asked.push(got);
      const { conduct } = backend;
      if (conduct === 'well') answer(got, response);
      else if (conduct === 'fails') send(response, 500, { error: { message: 'Oops' } });
      else if (conduct === 'busy') send(response, 429, { error: { message: 'Later' } });
      else if (conduct === 'breaks') response.destroy();
      else if (conduct === 'late') setTimeout(() => answer(got, response), lateMs);
      return undefined;
    };
  }
  return backend;
}

export async function startQueryBackends(): Promise<QueryBackends> {
  const [ollama, bedrock, others] = await Promise.all([
    startBackend(['/api/chat', '/api/embed'], ollamaForm),
    startBackend(['/invoke'], proxyForm),
    startBackend(
      [
        '/openai/chat/completions',
        '/openai/embeddings',
        '/openai/responses',
        '/anthropic/v1/messages',
        '/xai/chat/completions',
      ],
      openaiForm,
    ),
  ]);
  const named = (name: string) => ({ name, model: name });
  ollama.server.routes['/api/tags'] = () => ({
    models: [named('llama3:latest'), named('all-minilm:latest')],
  });
  ollama.server.routes['/api/show'] = () => ({ capabilities: ['completion'] });
  bedrock.server.routes['/health'] = () => ({ status: 'healthy' });
  const all = [ollama, bedrock, others];
  return {
    ollama,
    bedrock,
    others,
    env: {
      OLLAMA_ENDPOINT: ollama.server.origin,
      LLM_GATEWAY_OLLAMA_BASE_URL: ollama.server.origin,
      BEDROCK_ENDPOINT: `${bedrock.server.origin}/invoke`,
      OPENAI_API_KEY: 'sk-your-key-here',
      ANTHROPIC_API_KEY: 'sk-ant-your-key-here',
      GROK_API_KEY: 'grok-your-key-here',
      LLM_GATEWAY_OPENAI_BASE_URL: `${others.server.origin}/openai`,
      LLM_GATEWAY_ANTHROPIC_BASE_URL: `${others.server.origin}/anthropic`,
      LLM_GATEWAY_XAI_BASE_URL: `${others.server.origin}/xai`,
      SENSITIVE_KEYWORDS: 'password,secret,token,key,credential',
      SENSITIVITY_THRESHOLD: '0.7',
      SECURE_ONLY_MODELS: 'ollama,bedrock',
      ALL_PROVIDERS: 'bedrock,ollama,openai,anthropic,grok',
      CACHE_MAX_SIZE: '1000',
      CACHE_DEFAULT_TTL: '3600',
    },
    reset() {
      for (const backend of all) {
        backend.conduct = 'well';
        backend.asked.length = 0;
      }
    },
    close() {
      for (const { server } of all) server.close();
    },
  };
}
