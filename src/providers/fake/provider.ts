import type { CreateChatCompletionResponse } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { CreateEmbeddingsResponse } from '../../../gen/llmgateway/v1/embeddings_service_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { pause } from '../../base/pause.ts';
import { GatewayError, invalidRequest } from '../../errors/gateway-error.ts';
import * as build from '../../model/build.ts';
import * as buildEvent from '../../model/build-events.ts';
import { type EventStream, endOfEvents, primed, type StreamEvent } from '../../model/events.ts';
import type { Provider, ProviderCall } from '../provider.ts';
import { type Answer, answerTo, countWords } from './answer.ts';
import { type Behaviour, parseBehaviour } from './behaviour.ts';
import { embeddingsOf, maxFakeDimensions } from './embeddings.ts';

/** What its answers cannot be. */
const unsupported: ReadonlySet<string> = new Set([
  'logprobs',
  'top_logprobs',
  'modalities',
  'audio',
  'web_search_options',
  'moderation',
]);

/**
 * Models that live in this process and always say the same: for first tries, demos and tests. See `Behaviour` for what
 * they can be told to do.
 */
export function fakeProvider(): Provider {
  return {
    name: 'fake',
    missing: null,
    unsupported: () => unsupported,
    async createChat(call): Promise<CreateChatCompletionResponse> {
      const behaviour = parseBehaviour(call.upstreamModel);
      await begin(behaviour, call.signal);
      const answer = answerTo(call.request, behaviour);
      if (behaviour.cutAfter !== null) throw cutOff();
      await wait(behaviour.delayMs * chunksOf(answer), call.signal);
      const [prompt, completion] = countWords(call.request, answer);
      const said = build.message(Role.ASSISTANT, answer.parts);
      const choices = Array.from({ length: call.request.parameters?.n ?? 1 }, (_, index) =>
        build.choice(index, said, answer.finish),
      );
      const usage = build.usage(prompt, completion * choices.length);
      return build.chatResponse(completionId(call), `fake/${call.upstreamModel}`, now(), choices, { usage });
    },
    streamChat(call): Promise<EventStream> {
      return primed(play(call, parseBehaviour(call.upstreamModel)));
    },
    async createEmbeddings({ request, upstreamModel, signal }): Promise<CreateEmbeddingsResponse> {
      const behaviour = parseBehaviour(upstreamModel);
      const { dimensions } = request;
      if (dimensions !== undefined && dimensions > maxFakeDimensions) {
        throw invalidRequest('dimensions', `dimensions of a fake model are at most ${maxFakeDimensions}`);
      }
      await begin(behaviour, signal);
      if (behaviour.cutAfter !== null) throw cutOff();
      return embeddingsOf(request, `fake/${upstreamModel}`);
    },
  };
}

const now = (): number => Math.floor(Date.now() / 1000);
const completionId = (call: ProviderCall): string => `chatcmpl-fake-${call.requestId}`;

async function begin(behaviour: Behaviour, signal: AbortSignal): Promise<void> {
  await wait(behaviour.firstMs, signal);
  if (behaviour.status !== null) throw failure(behaviour.status, behaviour.retryAfterMs);
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await pause(ms, signal);
  else if (signal.aborted) throw signal.reason;
}

/** The reasons of a real provider's statuses. */
function failure(status: number, retryAfterMs: number | null): GatewayError {
  const facts = {
    provider: 'fake',
    upstreamStatus: status,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  };
  const message = `provider fake answered with status ${status}, as asked`;
  if (status === 429) return new GatewayError(ErrorReason.UPSTREAM_RATE_LIMITED, message, facts);
  if (status === 401 || status === 403) return new GatewayError(ErrorReason.UPSTREAM_AUTH, message, facts);
  if (status === 408 || status === 504) return new GatewayError(ErrorReason.UPSTREAM_TIMEOUT, message, facts);
  if (status < 500) return new GatewayError(ErrorReason.UPSTREAM_REJECTED, message, facts);
  if (status === 503 || status === 529)
    return new GatewayError(ErrorReason.UPSTREAM_OVERLOADED, message, facts);
  return new GatewayError(ErrorReason.UPSTREAM_FAILED, message, facts);
}

const cutOff = (): GatewayError =>
  new GatewayError(ErrorReason.UPSTREAM_INTERRUPTED, 'the answer of provider fake broke off, as asked', {
    provider: 'fake',
  });

/** A text's pieces: words with the space before them, so that they concatenate to the text. */
const pieces = (text: string): string[] => text.match(/\s*\S+|\s+$/g) ?? [];

const chunksOf = (answer: Answer): number =>
  answer.parts.reduce((sum, part) => sum + pieces(grownText(part)).length, 0);

function grownText({ content }: Part): string {
  if (content.case === 'toolCall') return content.value.arguments;
  return content.case === 'text' || content.case === 'reasoning' || content.case === 'refusal'
    ? content.value.text
    : '';
}

/** The part before it has grown. */
function seed(part: Part): Part {
  const { content } = part;
  if (content.case === 'toolCall') {
    return build.part({ case: 'toolCall', value: { ...content.value, arguments: '' } });
  }
  if (content.case === 'reasoning') return build.part({ case: 'reasoning', value: build.reasoning('') });
  if (content.case === 'refusal') return build.part({ case: 'refusal', value: build.refusal('') });
  return build.textPart('');
}

/** The answer, a piece a batch; a batch comes only when it is asked for, and when its time has come. */
function play(call: ProviderCall, behaviour: Behaviour): EventStream {
  const answer = answerTo(call.request, behaviour);
  const batches = script(call, answer, behaviour);
  let number = 0;
  let over = false;
  return {
    async next() {
      if (over) return endOfEvents();
      try {
        if (number === 0) await begin(behaviour, call.signal);
        else await wait(behaviour.delayMs, call.signal);
        if (behaviour.cutAfter !== null && number > behaviour.cutAfter) throw cutOff();
      } catch (error) {
        over = true;
        throw error;
      }
      number++;
      const batch = batches.next();
      if (!batch.done) return batch;
      over = true;
      return endOfEvents();
    },
    return() {
      over = true;
      return endOfEvents();
    },
  };
}

function* script(
  call: ProviderCall,
  answer: Answer,
  _behaviour: Behaviour,
): Generator<readonly StreamEvent[], undefined> {
  const n = call.request.parameters?.n ?? 1;
  yield [buildEvent.started(completionId(call), `fake/${call.upstreamModel}`, now())];
  for (let choice = 0; choice < n; choice++) {
    for (const [index, part] of answer.parts.entries()) {
      let opening: StreamEvent[] = [buildEvent.partStarted(choice, index, seed(part))];
      for (const piece of pieces(grownText(part))) {
        yield [...opening, buildEvent.delta(choice, index, piece)];
        opening = [];
      }
      yield [...opening, buildEvent.partEnded(choice, index)];
    }
    yield [buildEvent.choiceFinished(choice, answer.finish)];
  }
  const [prompt, completion] = countWords(call.request, answer);
  yield [buildEvent.finished(build.usage(prompt, completion * n))];
}
