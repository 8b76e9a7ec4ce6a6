import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { GatewayError, invalidRequest } from '../../errors/gateway-error.ts';

/**
 * What a fake model does, as its name says: `fake/<kind>?<option>=<value>&…`, for example
 * `fake/echo?words=200&delay_ms=50`. Every kind takes every option.
 */
export interface Behaviour {
  /** What the answer is made of. */
  readonly kind: FakeKind;
  /** Milliseconds before the first output. Option `first_ms`, 0 to 600,000, default 0. */
  readonly firstMs: number;
  /** Milliseconds before every further chunk. Option `delay_ms`, 0 to 60,000, default 0 (20 for `slow`). */
  readonly delayMs: number;
  /** Words of the answer; the text repeats. Option `words`, 1 to 100,000. Default: the text once (100 for `slow`). */
  readonly words: number | null;
  /** Tool calls of a `tools` answer. Option `calls`, 1 to 64, default 1. */
  readonly calls: number;
  /** HTTP status with which the call fails before its first output. Option `status`, 400 to 599. Default: none. */
  readonly status: number | null;
  /** `retry-after` of such a failure, in milliseconds. Option `retry_after_ms`. Default: none. */
  readonly retryAfterMs: number | null;
  /** Chunks after which a stream breaks off. Option `cut_after`, 0 to 100,000. Default: never. */
  readonly cutAfter: number | null;
  /** Why the answer ends. Option `finish`: stop, length, content_filter. Default: stop, or tool_calls with tools. */
  readonly finish: FinishReason;
}

/** `echo`: the last user message. `slow`: many words, slowly. `tools`: calls of the request's tools. `reasoning`: thinks
 * first. `json`: an object that follows the request's schema by name only. `refuse`: declines. `error`: fails. `embed`: makes
 * vectors, as every other kind does when it is asked for some. */
export const fakeKinds = ['echo', 'slow', 'tools', 'reasoning', 'json', 'refuse', 'error', 'embed'] as const;
export type FakeKind = (typeof fakeKinds)[number];

const finishes: Readonly<Record<string, FinishReason>> = {
  stop: FinishReason.STOP,
  length: FinishReason.LENGTH,
  content_filter: FinishReason.CONTENT_FILTER,
};

const bounds: Readonly<Record<string, readonly [number, number]>> = {
  first_ms: [0, 600_000],
  delay_ms: [0, 60_000],
  words: [1, 100_000],
  calls: [1, 64],
  status: [400, 599],
  retry_after_ms: [0, 86_400_000],
  cut_after: [0, 100_000],
};

const noSuchModel = (name: string): GatewayError =>
  new GatewayError(
    ErrorReason.MODEL_NOT_FOUND,
    `there is no fake model ${JSON.stringify(name.slice(0, 100))}; there are ${fakeKinds.join(', ')}`,
    { field: 'model', provider: 'fake' },
  );

/** Reads a fake model's name. @throws GatewayError that names `model` when it says nothing that is known */
export function parseBehaviour(model: string): Behaviour {
  const cut = model.indexOf('?');
  const name = cut < 0 ? model : model.slice(0, cut);
  const kind = fakeKinds.find((known) => known === name);
  if (kind === undefined) throw noSuchModel(name);
  const options = new URLSearchParams(cut < 0 ? '' : model.slice(cut + 1));
  const number = (option: string): number | null => {
    const given = options.get(option);
    options.delete(option);
    if (given === null) return null;
    const [least, most] = bounds[option] ?? [0, 0];
    const value = Number(given);
    if (given.trim() !== '' && Number.isInteger(value) && value >= least && value <= most) return value;
    throw invalidRequest(
      'model',
      `option ${option} of a fake model has to be a whole number from ${least} to ${most}`,
    );
  };
  const finish = options.get('finish') ?? 'stop';
  options.delete('finish');
  const finishReason = finishes[finish];
  if (finishReason === undefined) {
    throw invalidRequest(
      'model',
      `option finish of a fake model has to be one of ${Object.keys(finishes).join(', ')}`,
    );
  }
  const slow = kind === 'slow';
  const behaviour: Behaviour = {
    kind,
    firstMs: number('first_ms') ?? 0,
    delayMs: number('delay_ms') ?? (slow ? 20 : 0),
    words: number('words') ?? (slow ? 100 : null),
    calls: number('calls') ?? 1,
    status: number('status') ?? (kind === 'error' ? 500 : null),
    retryAfterMs: number('retry_after_ms'),
    cutAfter: number('cut_after'),
    finish: finishReason,
  };
  const unknown = options.keys().next();
  if (!unknown.done) {
    const known = [...Object.keys(bounds), 'finish'].join(', ');
    throw invalidRequest(
      'model',
      `a fake model has no option ${JSON.stringify(unknown.value)}; it has ${known}`,
    );
  }
  return behaviour;
}
