import {
  answered,
  chunked,
  type ReceivedRequest,
  type ScriptedUpstream,
  STREAM_HEAD,
  startUpstream,
} from '../http/support/upstream.ts';

export type Json = Record<string, unknown>;

/** One answer of a model of OpenAI's form. */
export interface Turn {
  readonly text?: string;
  /** Id, name and arguments. */
  readonly calls?: readonly (readonly [id: string, name: string, args: string])[];
  readonly finish?: string;
  /** More members of the message. */
  readonly more?: Json;
  readonly usage?: Json;
}

/** What the model does with a request: answers, or anything else. */
export type Reaction = Turn | ((request: ReceivedRequest) => void);

export interface ScriptedModel {
  readonly upstream: ScriptedUpstream;
  /** Bodies that it got, in order. */
  readonly asked: Json[];
  /** Heads of these requests, as they came. */
  readonly heads: string[];
  /** What it does next; when nothing is left it says "done". */
  script: Reaction[];
  /** The messages of the latest body. */
  messages(): Json[];
  close(): void;
}

const usage = { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 };

/** A model of OpenAI's form that does what the test says. Its streams come in many pieces, calls interleaved. */
export async function startModel(): Promise<ScriptedModel> {
  const upstream = await startUpstream();
  const model: ScriptedModel = {
    upstream,
    asked: [],
    heads: [],
    script: [],
    messages: () => (model.asked.at(-1)?.['messages'] ?? []) as Json[],
    close: () => upstream.close(),
  };
  upstream.answerAll((request) => {
    // A list of models is asked for, too.
    if (request.body === '') {
      return void request.socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    }
    const body = JSON.parse(request.body) as Json;
    model.asked.push(body);
    model.heads.push(request.head);
    const next = model.script.shift() ?? { text: 'done' };
    if (typeof next === 'function') return next(request);
    request.socket.write(body['stream'] === true ? streamOf(next) : completionOf(next));
  });
  return model;
}

const finishOf = ({ calls, finish }: Turn): string =>
  finish ?? ((calls?.length ?? 0) > 0 ? 'tool_calls' : 'stop');

export function completionOf(turn: Turn): string {
  const calls = (turn.calls ?? []).map(([id, name, args]) => ({
    id,
    type: 'function',
    function: { name, arguments: args },
  }));
  const message = {
    role: 'assistant',
    content: turn.text ?? null,
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
    ...turn.more,
  };
  const choices = [{ index: 0, message, finish_reason: finishOf(turn) }];
  const body = {
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices,
    usage: turn.usage ?? usage,
  };
  return answered(JSON.stringify(body)).replace('text/plain', 'application/json');
}

export const chunkOf = (delta: Json, finish: string | null = null): string =>
  chunked(
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`,
  );

export function streamOf(turn: Turn): string {
  const { text = '', calls = [], more } = turn;
  let out = STREAM_HEAD + chunkOf({ role: 'assistant', content: '', ...more });
  for (let i = 0; i < text.length; i += 3) out += chunkOf({ content: text.slice(i, i + 3) });
  const fragment = (index: number, rest: Json) => chunkOf({ tool_calls: [{ index, ...rest }] });
  calls.forEach(([id, name], i) => {
    out += fragment(i, { id, type: 'function', function: { name, arguments: '' } });
  });
  // Arguments of all calls in turn, two characters at a time.
  const longest = Math.max(0, ...calls.map(([, , args]) => args.length));
  for (let at = 0; at < longest; at += 2) {
    calls.forEach(([, , args], i) => {
      const piece = args.slice(at, at + 2);
      if (piece !== '') out += fragment(i, { function: { arguments: piece } });
    });
  }
  out += chunkOf({}, finishOf(turn));
  out += chunked(
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [], usage: turn.usage ?? usage })}\n\n`,
  );
  return `${out}${chunked('data: [DONE]\n\n')}0\r\n\r\n`;
}
