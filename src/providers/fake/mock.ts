import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { pause } from '../../base/pause.ts';
import * as build from '../../model/build.ts';
import * as buildEvent from '../../model/build-events.ts';
import { type EventStream, eventsOf, type StreamEvent } from '../../model/events.ts';
import type { Provider, ProviderCall } from '../provider.ts';
import { countWords } from './answer.ts';

/** As many characters of a prompt are repeated. */
const repeated = 50;

/** Canned answers, whatever the model: `Mock response to: ` and the beginning of the last prompt. @param delayMs before each */
export function mockProvider(delayMs: number, cannot: readonly string[]): Provider {
  const unsupported: ReadonlySet<string> = new Set(cannot);
  const ids = ({ requestId }: ProviderCall): string => `chatcmpl-mock-${requestId}`;
  const now = (): number => Math.floor(Date.now() / 1_000);

  async function answerTo({ request, signal }: ProviderCall) {
    if (delayMs > 0) await pause(delayMs, signal);
    else if (signal.aborted) throw signal.reason;
    const last = request.messages.findLast(({ role }) => role === Role.USER);
    const prompt = (last?.parts ?? [])
      .map(({ content }) => (content.case === 'text' ? content.value.text : ''))
      .join('');
    const text = `Mock response to: ${[...prompt].slice(0, repeated).join('')}`;
    const parts = [build.textPart(text)];
    return { text, parts, words: countWords(request, { parts }) };
  }

  return {
    name: 'mock',
    missing: null,
    unsupported: () => unsupported,
    async createChat(call) {
      const { parts, words } = await answerTo(call);
      const choice = build.choice(0, build.message(Role.ASSISTANT, parts), FinishReason.STOP);
      const usage = build.usage(...words);
      return build.chatResponse(ids(call), call.upstreamModel, now(), [choice], { usage });
    },
    async streamChat(call): Promise<EventStream> {
      const { text, words } = await answerTo(call);
      const events: StreamEvent[] = [
        buildEvent.started(ids(call), call.upstreamModel, now()),
        buildEvent.partStarted(0, 0, build.textPart('')),
        ...text.split(/(?<= )/).map((word) => buildEvent.delta(0, 0, word)),
        buildEvent.partEnded(0, 0),
        buildEvent.choiceFinished(0, FinishReason.STOP, 'stop'),
        buildEvent.finished(build.usage(...words)),
      ];
      return eventsOf([events]);
    },
  };
}
