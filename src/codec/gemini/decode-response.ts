import type { CreateChatCompletionResponse } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { type Choice, FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import type { GatewayError } from '../../errors/gateway-error.ts';
import * as build from '../../model/build.ts';
import { callId, completionId } from '../ids.ts';
import { addMember, isObject, type Json } from '../json.ts';
import { notUnderstood, type Upstream, upstreamFailure } from '../upstream-error.ts';
import { errorIn, upstreamError } from './decode-error.ts';
import { decodePart, signaturePart } from './decode-parts.ts';
import { toExtras } from './extras.ts';
import { decodeFinish, isFailure } from './finish.ts';
import { type Citation, type CitedText, groundingCitations, quotedCitations } from './grounding.ts';
import { decodeLogprobs } from './logprobs.ts';
import { decodeUsage, tierOf } from './usage.ts';

const textOr = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Seconds since 1970 of a time in RFC 3339; 0 where there is none. */
export function secondsOf(time: unknown): number {
  const ms = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  const seconds = Math.floor(ms / 1000);
  return seconds > 0 && seconds <= 0xffff_ffff ? seconds : 0;
}

/**
 * A GenerateContentResponse. What is left out is unset; members that are not known are kept as extras.
 * @throws GatewayError when it is an error, when the prompt was blocked, or when it makes no sense
 */
export function decodeGeminiResponse(json: unknown, { provider }: Upstream): CreateChatCompletionResponse {
  const error = errorIn(json);
  if (error !== undefined) throw upstreamError(provider, error, 200);
  if (!isObject(json)) throw notUnderstood(provider, 'it is not an object');
  const { candidates } = json;
  if (!Array.isArray(candidates) || candidates.length === 0) {
    throw blockedPrompt(json, provider) ?? notUnderstood(provider, 'it has no candidates');
  }
  const id = completionId(json['responseId']);
  const choices = candidates.map((candidate, i) => decodeCandidate(candidate, i, id, provider));
  const response = build.chatResponse(
    id,
    textOr(json['modelVersion']),
    secondsOf(json['createTime']),
    choices,
  );
  let unknown = '';
  for (const key in json) {
    const value = json[key];
    if (key === 'usageMetadata') {
      const used = isObject(value) ? decodeUsage(value) : undefined;
      if (used !== undefined) response.usage = used;
      response.serviceTier = tierOf(value);
    } else if (!responseKeys.has(key) && value !== null) unknown = addMember(unknown, key, value);
  }
  if (unknown !== '') response.extras = toExtras(unknown);
  return response;
}

/** Members of an answer that have fields. */
export const responseKeys: ReadonlySet<string> = new Set([
  'candidates',
  'usageMetadata',
  'modelVersion',
  'responseId',
  'createTime',
  'error',
]);

/** The refusal of a prompt for its content; undefined when it was not refused. */
export function blockedPrompt(json: Json, provider: string): GatewayError | undefined {
  const feedback = json['promptFeedback'];
  const reason = isObject(feedback) ? feedback['blockReason'] : undefined;
  if (!isObject(feedback) || typeof reason !== 'string') return undefined;
  const said = textOr(feedback['blockReasonMessage']);
  const found = ratings(feedback['safetyRatings']);
  const why = [said, found].filter((text) => text !== '').join('; ');
  return upstreamFailure(provider, {
    status: 400,
    message: `the prompt was blocked: ${reason}${why === '' ? '' : ` (${why})`}`,
    code: reason,
    type: 'promptFeedback.blockReason',
    filtered: true,
  });
}

/** Categories in which a prompt was found harmful. */
function ratings(list: unknown): string {
  if (!Array.isArray(list)) return '';
  return list
    .filter(isObject)
    .filter((rating) => rating['blocked'] === true || rating['probability'] === 'HIGH')
    .map((rating) => `${textOr(rating['category'])} ${textOr(rating['probability'])}`.trim())
    .join(', ');
}

/** The failure of an answer that the model did not bring about. */
export const failedAnswer = (word: string, message: unknown, provider: string): GatewayError =>
  upstreamFailure(provider, {
    status: 500,
    message: textOr(message) === '' ? `finishReason ${word}` : `finishReason ${word}: ${textOr(message)}`,
    code: word,
    type: 'finishReason',
  });

/** Members of a candidate that have fields. */
export const candidateKeys: ReadonlySet<string> = new Set([
  'content',
  'finishReason',
  'index',
  'logprobsResult',
]);

function decodeCandidate(json: unknown, position: number, id: string, provider: string): Choice {
  if (!isObject(json)) throw notUnderstood(provider, 'a candidate is not an object');
  const word = textOr(json['finishReason']);
  if (isFailure(word)) throw failedAnswer(word, json['finishMessage'], provider);
  const given = json['index'];
  const index =
    typeof given === 'number' && Number.isInteger(given) && given >= 0 && given < 128 ? given : position;
  const content = isObject(json['content']) ? json['content'] : {};
  const parts = decodeContent(content['parts'], json, id, index);
  const called = parts.some((part) => part.content.case === 'toolCall');
  const { reason, native } =
    word === ''
      ? { reason: called ? FinishReason.TOOL_CALLS : FinishReason.UNSPECIFIED, native: '' }
      : decodeFinish(word, called);
  const choice = build.choice(index, build.message(Role.ASSISTANT, parts), reason);
  choice.nativeFinishReason = native;
  const logprobs = decodeLogprobs(json['logprobsResult']);
  if (logprobs !== undefined) choice.logprobs = logprobs;
  let unknown = '';
  for (const key in json) {
    if (!candidateKeys.has(key) && json[key] !== null) unknown = addMember(unknown, key, json[key]);
  }
  if (unknown !== '') choice.extras = toExtras(unknown);
  return choice;
}

function decodeContent(list: unknown, candidate: Json, id: string, index: number): Part[] {
  const parts: Part[] = [];
  const texts: (CitedText & { readonly part: Part })[] = [];
  let calls = 0;
  const items = Array.isArray(list) ? list : [];
  for (let i = 0; i < items.length; i++) {
    const { kind, text, part, signature } = decodePart(items[i], () => callId(id, index, calls));
    if (part.content.case === 'toolCall') calls++;
    if (kind === 'text') texts.push({ text, partIndex: i, part });
    if (kind !== 'nothing' && (kind !== 'text' || text !== '' || part.extras !== undefined)) parts.push(part);
    if (kind !== 'thought' && signature !== '') parts.push(signaturePart(signature));
  }
  const citations = [
    ...groundingCitations(candidate['groundingMetadata'], texts),
    ...quotedCitations(candidate['citationMetadata'], texts),
  ];
  for (const citation of citations) cite(texts, citation);
  return parts;
}

function cite(texts: readonly { readonly part: Part }[], { annotation, text }: Citation): void {
  const content = texts[text]?.part.content;
  if (content?.case === 'text') content.value.annotations.push(annotation);
}
