import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type CreateChatCompletionResponse,
  CreateChatCompletionResponseSchema,
} from '../../gen/llmgateway/v1/chat_service_pb.js';
import { type CallReport, FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import {
  type CreateEmbeddingsResponse,
  CreateEmbeddingsResponseSchema,
} from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import * as build from '../model/build.ts';

// Answers as they are kept: a byte that says what follows, when it was made in eight bytes (a double, milliseconds since 1970), and the answer
// with as much of its report as holds for whoever gets it later. Messages are written in Protobuf's form; those of many words and nothing else
// as the JSON of the object that they are, in less than half of the time.

const forms = { chat: 1, embeddings: 2, words: 3 } as const;
const headBytes = 9;

export interface KeptAnswers {
  readonly chat: CreateChatCompletionResponse;
  readonly embeddings: CreateEmbeddingsResponse;
}
export type AnswerKind = keyof KeptAnswers;

const schemas = { chat: CreateChatCompletionResponseSchema, embeddings: CreateEmbeddingsResponseSchema };

/** What of a report holds for later calls, too. @param from how much it said before the provider was asked */
export function lastingReport(report: CallReport, from: { warnings: number; dropped: number }): CallReport {
  const { provider, upstreamModel, model } = report;
  const lasting = build.callReport(provider, upstreamModel);
  lasting.model = model;
  lasting.warnings = report.warnings.slice(from.warnings);
  lasting.droppedParams = report.droppedParams.slice(from.dropped);
  return lasting;
}

/** Adds to a call's report what an answer's that was not made for it says. */
export function addLasting(report: CallReport, lasting: CallReport): void {
  report.provider = lasting.provider;
  report.upstreamModel = lasting.upstreamModel;
  report.model = lasting.model;
  report.warnings.push(...lasting.warnings);
  for (const name of lasting.droppedParams) {
    if (!report.droppedParams.includes(name)) report.droppedParams.push(name);
  }
  report.costUsd = '0';
}

export function encodeEntry<K extends AnswerKind>(
  kind: K,
  answer: KeptAnswers[K],
  report: CallReport,
  madeMs: number,
): Uint8Array {
  const told = { ...answer, callReport: report };
  if (kind === 'chat' && isWords(answer as KeptAnswers['chat'])) {
    const json = JSON.stringify(told);
    const entry = newEntry('words', madeMs, Buffer.byteLength(json));
    entry.write(json, headBytes);
    return entry;
  }
  const body = toBinary(schemas[kind], told as never);
  const entry = newEntry(kind, madeMs, body.length);
  entry.set(body, headBytes);
  return entry;
}

function newEntry(form: keyof typeof forms, madeMs: number, bytes: number): Buffer {
  // Not of a pool: what else is in the pool would be kept as long.
  const entry = Buffer.allocUnsafeSlow(headBytes + bytes);
  entry[0] = forms[form];
  entry.writeDoubleBE(madeMs, 1);
  return entry;
}

/** With fewer characters the names of fields would take more room than the text. */
const manyWords = 512;

/** Whether an answer is mostly text, and JSON holds all of it: nowhere in it are bytes or numbers that are not finite. */
function isWords({ choices, toolMessages }: CreateChatCompletionResponse): boolean {
  if (toolMessages.length > 0) return false;
  let characters = 0;
  for (const { message, logprobs } of choices) {
    if (logprobs !== undefined) return false;
    for (const { content } of message?.parts ?? []) {
      switch (content.case) {
        case 'text':
        case 'reasoning':
        case 'refusal':
          characters += content.value.text.length;
          break;
        default:
          return false;
      }
    }
  }
  return characters >= manyWords * choices.length;
}

/** When an entry was made; null for what is none of this kind. */
export function madeAt(kind: AnswerKind, entry: Uint8Array): number | null {
  const form = entry[0];
  if (form !== forms[kind] && (form !== forms.words || kind !== 'chat')) return null;
  if (entry.length < headBytes) return null;
  return new DataView(entry.buffer, entry.byteOffset).getFloat64(1);
}

/** A new copy of the answer. @throws Error for what is damaged */
export function decodeEntry<K extends AnswerKind>(kind: K, entry: Uint8Array): KeptAnswers[K] {
  const body = entry.subarray(headBytes);
  return entry[0] === forms.words
    ? (JSON.parse(utf8.decode(body)) as KeptAnswers[K])
    : (fromBinary(schemas[kind] as never, body) as KeptAnswers[K]);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Whether an answer came to its proper end: not cut off, not withheld, no call of a tool. */
export const isWhole = ({ choices, toolMessages }: CreateChatCompletionResponse): boolean =>
  choices.length > 0 &&
  toolMessages.length === 0 &&
  choices.every(
    ({ finishReason, message }) =>
      finishReason === FinishReason.STOP &&
      message !== undefined &&
      message.parts.every(({ content }) => content.case !== 'toolCall'),
  );

/** What vectors take at least, in bytes; encoding them to find out would cost more. */
export const vectorBytes = ({ embeddings }: CreateEmbeddingsResponse): number =>
  embeddings.reduce((sum, { values }) => sum + 4 * values.length, 0);
