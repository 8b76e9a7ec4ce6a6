import { FinishReason, type Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import * as build from '../../model/build.ts';
import * as buildEvent from '../../model/build-events.ts';
import type { StreamEvent } from '../../model/events.ts';
import { isObject, type Json } from '../json.ts';
import { type Upstream, upstreamFailure } from '../upstream-error.ts';

export interface AnswerOptions extends Upstream {
  /** Id of the answer. */
  readonly id: string;
  /** Its model, as the client knows it. */
  readonly model: string;
  /** Unix seconds. */
  readonly createdAt: number;
}

/** Turns the events of a turn into those of the model. Items are whole: what is said comes in one piece each. */
export class CodexAnswerDecoder {
  readonly #options: AnswerOptions;
  #parts = 0;
  #error = '';
  #finished = false;

  constructor(options: AnswerOptions) {
    this.#options = options;
  }

  /** @throws GatewayError when the turn has failed */
  push(json: Json, out: StreamEvent[]): void {
    if (this.#finished) return;
    const { provider } = this.#options;
    switch (json['type']) {
      case 'item.completed':
        if (isObject(json['item'])) this.#item(json['item'], out);
        return;
      // May be followed by a good end: it has tried again.
      case 'error':
        this.#error = String(json['message'] ?? '');
        return;
      case 'turn.failed': {
        const error = isObject(json['error']) ? json['error'] : {};
        const message = String(error['message'] ?? this.#error);
        throw upstreamFailure(provider, { status: statusIn(message), message });
      }
      case 'turn.completed':
        this.#finished = true;
        this.#start(out);
        out.push(buildEvent.choiceFinished(0, FinishReason.STOP, 'completed'));
        out.push(buildEvent.finished(usageOf(json['usage'])));
        return;
      default:
    }
  }

  #start(out: StreamEvent[]): void {
    if (this.#parts > 0) return;
    const { id, model, createdAt } = this.#options;
    out.push(buildEvent.started(id, model, createdAt));
  }

  #item({ type, text }: Json, out: StreamEvent[]): void {
    if (typeof text !== 'string' || text === '') return;
    const said = type === 'agent_message';
    if (!said && type !== 'reasoning') return;
    this.#start(out);
    const part = this.#parts++;
    const empty = said
      ? build.textPart('')
      : build.part({ case: 'reasoning', value: build.reasoning('', { summary: true }) });
    out.push(
      buildEvent.partStarted(0, part, empty),
      buildEvent.delta(0, part, text),
      buildEvent.partEnded(0, part),
    );
  }
}

/** The program tells of a status in words only: "unexpected status 429 Too Many Requests: …". */
function statusIn(message: string): number {
  const status = Number(/\bstatus(?: code)?:? (\d{3})\b/i.exec(message)?.[1] ?? 500);
  return status >= 400 && status < 600 ? status : 500;
}

const count = (value: unknown): number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff ? value : 0;

/** Prompts include what was read from the cache, answers what was thought. */
function usageOf(json: unknown): Usage | undefined {
  if (!isObject(json)) return undefined;
  const used = build.usage(count(json['input_tokens']), count(json['output_tokens']));
  if (json['cached_input_tokens'] !== undefined) used.cachedTokens = count(json['cached_input_tokens']);
  if (json['reasoning_output_tokens'] !== undefined) {
    used.reasoningTokens = count(json['reasoning_output_tokens']);
  }
  return used;
}

/** The event that ends a turn in few numbers. */
export function endOfTurn(json: Json): {
  readonly failed: boolean;
  readonly promptTokens: number;
  readonly completionTokens: number;
} {
  const usage = isObject(json['usage']) ? json['usage'] : {};
  return {
    failed: json['type'] !== 'turn.completed',
    promptTokens: count(usage['input_tokens']),
    completionTokens: count(usage['output_tokens']),
  };
}
