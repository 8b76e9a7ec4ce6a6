import { type JsonServer, send, startJsonServer } from './json-server.ts';
import type { Json } from './response-machine.ts';

/** Providers of three forms, each of which says what the test wants and tells what it was asked. */
export interface ResponsesUpstream extends JsonServer {
  /** Settings of a gateway that asks them. */
  readonly env: Record<string, string>;
  /** Output items of the next native answers. */
  output: Json[];
  /** Messages of the next answers by chat completions; then "done". */
  messages: Json[];
  /** The last body that a path got. */
  asked(path: string): Json;
}

export const message = (text: string, id = 'msg_up'): Json => ({
  id,
  type: 'message',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text, annotations: [], logprobs: [] }],
});

const usage = {
  input_tokens: 9,
  output_tokens: 3,
  total_tokens: 12,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens_details: { reasoning_tokens: 0 },
};

/** The events in which a whole response would have come. */
function framesOf(response: Json, more: readonly Json[]): string {
  const output = response['output'] as Json[];
  const events: Json[] = [
    { type: 'response.created', response: { ...response, status: 'in_progress', output: [] } },
  ];
  output.forEach((item, index) => {
    const begun = item['type'] === 'message' ? { ...item, content: [] } : item;
    events.push({ type: 'response.output_item.added', output_index: index, item: begun });
    events.push(...more.filter((event) => event['output_index'] === index));
    events.push({ type: 'response.output_item.done', output_index: index, item });
  });
  events.push({ type: 'response.completed', response });
  return events
    .map(
      (event, i) => `event: ${event['type']}\ndata: ${JSON.stringify({ ...event, sequence_number: i })}\n\n`,
    )
    .join('');
}

/** @param more events about native items, before these end */
export async function startResponsesUpstream(more: readonly Json[] = []): Promise<ResponsesUpstream> {
  const server = await startJsonServer({
    '/v1/responses': ({ body }, response) => {
      const answer: Json = {
        id: 'resp_up',
        object: 'response',
        created_at: 7,
        model: 'm',
        status: 'completed',
        // As providers tell it that keep none.
        metadata: {},
        output: upstream.output,
        usage,
      };
      if (body?.['stream'] !== true) return answer;
      send(response, 200, framesOf(answer, more), 'text/event-stream');
      return undefined;
    },
    '/v1/chat/completions': () => {
      const next = upstream.messages.shift() ?? { content: 'done' };
      const finish = next['tool_calls'] === undefined ? 'stop' : 'tool_calls';
      const choices = [{ index: 0, message: { role: 'assistant', ...next }, finish_reason: finish }];
      const used = { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 };
      return { id: 'c', object: 'chat.completion', created: 1, model: 'm', choices, usage: used };
    },
    '/v1/messages': () => ({
      id: 'm',
      type: 'message',
      role: 'assistant',
      model: 'claude',
      content: [{ type: 'text', text: 'from Claude' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 3, output_tokens: 2 },
    }),
  });
  const env: Record<string, string> = {};
  for (const name of ['OPENAI', 'XAI', 'OPENROUTER', 'DEEPSEEK', 'ANTHROPIC']) {
    env[`LLM_GATEWAY_${name}_BASE_URL`] = name === 'ANTHROPIC' ? server.origin : `${server.origin}/v1`;
    env[`LLM_GATEWAY_${name}_API_KEY`] = 'k';
  }
  const upstream: ResponsesUpstream = {
    ...server,
    env,
    output: [message('native')],
    messages: [],
    asked: (path) => server.got.findLast((got) => got.path === path)?.body as Json,
  };
  return upstream;
}
