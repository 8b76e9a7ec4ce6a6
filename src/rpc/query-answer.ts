import { create } from '@bufbuild/protobuf';
import type { CreateChatCompletionResponse } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { CallReport } from '../../gen/llmgateway/v1/completion_pb.js';
import {
  type Answer,
  AnswerSchema,
  type StreamQueryResponse,
  StreamQueryResponseSchema,
} from '../../gen/llmgateway/v1/query_service_pb.js';
import type { EventStream } from '../model/events.ts';
import { shownProvider } from './query-providers.ts';
import { WellFormedStream } from './well-formed.ts';

/** What an answer is made of, besides its text. */
export interface AnswerFacts {
  readonly report: CallReport;
  readonly model: string;
  readonly tokens: number;
  readonly correlationId: string;
  /** On the clock of performance.now(). */
  readonly began: number;
}

export function answerOf(text: string, { report, model, tokens, correlationId, began }: AnswerFacts): Answer {
  const cached = report.cache === 'hit' || report.cache === 'shared';
  const answer = create(AnswerSchema, {
    response: text.toWellFormed(),
    provider: cached ? 'cache' : shownProvider(report.provider),
    model,
    tokensUsed: cached ? 0 : tokens,
    processingTime: Math.round(performance.now() - began) / 1_000,
    cached,
    correlationId,
  });
  answer.callReport = report;
  if (!cached && report.costUsd !== '') answer.cost = Number(report.costUsd);
  return answer;
}

/** All that the first answer says in words. */
export function textOf({ choices }: CreateChatCompletionResponse): string {
  let text = '';
  for (const { content } of choices[0]?.message?.parts ?? []) {
    if (content.case === 'text' || content.case === 'refusal') text += content.value.text;
  }
  return text;
}

/** A streamed answer. To be read to its end, or returned. */
export interface QueryStream {
  next(): Promise<IteratorResult<readonly StreamQueryResponse[], undefined>>;
  return(): Promise<IteratorResult<readonly StreamQueryResponse[], undefined>>;
}

/**
 * The words of a stream of events.
 * @param onEnd told of the whole answer when it is complete
 */
export function queryStream(
  events: EventStream,
  facts: Omit<AnswerFacts, 'model' | 'tokens'>,
  onEnd: (answer: Answer) => void,
): QueryStream {
  /** Numbers of the parts that are words. */
  const words = new Set<number>();
  let model = '';
  let whole = '';
  const texts = new WellFormedStream();
  return {
    async next() {
      for (;;) {
        const result = await events.next();
        if (result.done) return result;
        let chunk = '';
        for (const told of result.value) {
          texts.mend(told);
          const { event } = told;
          switch (event.case) {
            case 'started':
              model = event.value.model;
              break;
            case 'partStarted': {
              const { choice, part, content } = event.value;
              const said = content?.content;
              if (choice !== 0 || (said?.case !== 'text' && said?.case !== 'refusal')) break;
              words.add(part);
              chunk += said.value.text;
              break;
            }
            case 'delta':
              if (event.value.choice === 0 && words.has(event.value.part)) chunk += event.value.text;
              break;
            case 'finished': {
              whole += chunk;
              const { usage, callReport } = event.value;
              const report = callReport ?? facts.report;
              const answer = answerOf('', { ...facts, report, model, tokens: usage?.totalTokens ?? 0 });
              onEnd({ ...answer, response: whole });
              const last = create(StreamQueryResponseSchema, { chunk, finished: true });
              last.answer = answer;
              return { done: false, value: [last] };
            }
            default:
          }
        }
        if (chunk === '') continue;
        whole += chunk;
        return { done: false, value: [create(StreamQueryResponseSchema, { chunk })] };
      }
    },
    async return() {
      await events.return();
      return { done: true, value: undefined };
    },
  };
}
