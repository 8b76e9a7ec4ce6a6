import type { CreateChatCompletionResponse } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { type Choice, FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { type Message, type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import * as buildEvent from '../../model/build-events.ts';
import type { StreamEvent } from '../../model/events.ts';
import { attachSignatures } from '../../model/picture-signatures.ts';
import { callId, completionId } from '../ids.ts';
import { addMember, addNested, isObject, type Json, rest } from '../json.ts';
import { notUnderstood } from '../upstream-error.ts';
import { decodeAnnotations } from './annotations.ts';
import { type AnsweredRequest, decodeAnswerAudio } from './answer-audio.ts';
import { decodeAnswerImage } from './answer-images.ts';
import { errorIn, upstreamError } from './decode-error.ts';
import { dialectName } from './dialect.ts';
import { ownMembers, toExtras } from './extras.ts';
import { decodeFinish, isFailure } from './finish.ts';
import { decodeLogprobs } from './logprobs.ts';
import { decodeDetails, mergeReasoning } from './reasoning.ts';
import { decodeUsage } from './usage.ts';

const textOr = (value: unknown, fallback: string): string => (typeof value === 'string' ? value : fallback);
const uint32Or = (value: unknown, fallback: number): number =>
  typeof value === 'number' && value >= 0 && value <= 0xffff_ffff ? Math.floor(value) : fallback;

/**
 * A completion as a provider sent it. What is left out is unset; members that are not known are kept as extras.
 * @throws GatewayError when it is an error, although the status said otherwise, or makes no sense
 */
export function decodeChatResponse(
  json: unknown,
  { provider, audioFormat = '' }: AnsweredRequest,
): CreateChatCompletionResponse {
  if (!isObject(json)) throw notUnderstood(provider, 'it is not an object');
  const error = errorIn(json);
  if (error !== undefined) throw upstreamError(provider, error, 200);
  const { choices } = json;
  if (!Array.isArray(choices) || choices.length === 0) throw notUnderstood(provider, 'it has no choices');
  const id = completionId(json['id']);
  const response = build.chatResponse(
    id,
    textOr(json['model'], ''),
    uint32Or(json['created'], 0),
    choices.map((choice, index) => decodeChoice(choice, index, { id, provider, audioFormat })),
  );
  let unknown = '';
  for (const key in json) {
    const value = json[key];
    switch (key) {
      case 'id':
      case 'object':
      case 'created':
      case 'model':
      case 'choices':
      case 'error':
        break;
      case 'usage':
        if (isObject(value)) {
          const used = decodeUsage(value);
          if (used !== undefined) response.usage = used;
        }
        break;
      case 'service_tier':
        response.serviceTier = textOr(value, '');
        break;
      case 'system_fingerprint':
        response.systemFingerprint = textOr(value, '');
        break;
      default:
        if (value !== null) unknown = addMember(unknown, key, value);
    }
  }
  if (unknown !== '') response.extras = toExtras(unknown);
  return response;
}

/** What a choice has to know of the completion. */
interface Context {
  readonly id: string;
  readonly provider: string;
  readonly audioFormat: string;
}

function decodeChoice(json: unknown, position: number, { id, provider, audioFormat }: Context): Choice {
  if (!isObject(json) || !isObject(json['message'])) throw notUnderstood(provider, 'a choice has no message');
  const word = json['finish_reason'];
  if (isFailure(word) || isObject(json['error']))
    throw upstreamError(provider, json['error'] ?? { message: `finish_reason ${word}`, code: word }, 200);
  const message = decodeMessage(json['message'], (call) => callId(id, position, call), audioFormat);
  const called = message.parts.some(({ content }) => content.case === 'toolCall');
  const { reason, native } =
    typeof word === 'string' && word !== ''
      ? decodeFinish(word, json['native_finish_reason'], called)
      : { reason: called ? FinishReason.TOOL_CALLS : FinishReason.UNSPECIFIED, native: '' };
  const choice = build.choice(uint32Or(json['index'], position), message, reason);
  choice.nativeFinishReason = native;
  let unknown = '';
  for (const key in json) {
    const value = json[key];
    switch (key) {
      case 'index':
      case 'message':
      case 'finish_reason':
      case 'native_finish_reason':
        break;
      case 'logprobs': {
        const logprobs = decodeLogprobs(value);
        if (logprobs !== undefined) choice.logprobs = logprobs;
        break;
      }
      default:
        if (value !== null) unknown = addMember(unknown, key, value);
    }
  }
  if (unknown !== '') choice.extras = toExtras(unknown);
  return choice;
}

/** A choice's unknown members as the event that a stream has for them. */
export function unknownOfChoice({ index, message, extras }: Choice): StreamEvent | undefined {
  const said = ownMembers(message?.extras);
  const own = ownMembers(extras);
  if (said === '' && own === '') return undefined;
  return buildEvent.opaqueEvent(
    dialectName,
    `{"choices":[{"index":${index},"delta":{${said}},"finish_reason":null${rest(own)}}]}`,
  );
}

function decodeMessage(json: Json, idOf: (call: number) => string, audioFormat: string): Message {
  const said: Part[] = [];
  const calls: Part[] = [];
  let thought = '';
  let details: Part[] = [];
  let citations: readonly unknown[] = [];
  let multipart = false;
  let unknown = '';
  for (const key in json) {
    const value = json[key];
    if (value === null || value === undefined) continue;
    switch (key) {
      case 'role':
        break;
      case 'content':
        multipart = Array.isArray(value);
        if (typeof value === 'string') said.push(build.textPart(value));
        else if (Array.isArray(value)) for (const item of value) said.push(decodePart(item));
        // Some give the object that they were asked for instead of its text.
        else said.push(build.textPart(JSON.stringify(value)));
        break;
      case 'refusal':
        said.push(build.part({ case: 'refusal', value: build.refusal(String(value)) }));
        break;
      case 'reasoning_content':
      case 'reasoning':
        if (typeof value !== 'string') unknown = addMember(unknown, key, value);
        else if (thought === '') thought = value;
        break;
      case 'reasoning_details':
        if (Array.isArray(value)) details = decodeDetails(value);
        break;
      case 'tool_calls':
        if (Array.isArray(value)) {
          for (const call of value) calls.push(decodeCall(call, calls.length, idOf));
        }
        break;
      case 'function_call':
        // Some say a call in both forms.
        if (isFunctionCall(value) && !isList(json['tool_calls'])) calls.push(decodeOlderCall(value, idOf(0)));
        else unknown = addMember(unknown, key, value);
        break;
      case 'audio':
        if (isObject(value)) said.push(decodeAnswerAudio(value, audioFormat));
        break;
      case 'images':
        if (Array.isArray(value)) for (const item of value) said.push(decodeAnswerImage(item));
        else unknown = addMember(unknown, key, value);
        break;
      case 'annotations':
        if (Array.isArray(value) && value.length > 0) citations = value;
        else unknown = addMember(unknown, key, value);
        break;
      default:
        unknown = addMember(unknown, key, value);
    }
  }
  if (citations.length > 0) cite(said, citations);
  const parts = attachSignatures([...mergeReasoning(thought, details), ...said, ...calls]);
  const message = build.message(Role.ASSISTANT, parts);
  message.multipart = multipart;
  if (unknown !== '') message.extras = toExtras(unknown);
  return message;
}

/** One of the parts of an answer that comes as a list. */
function decodePart(json: unknown): Part {
  if (isObject(json) && json['type'] === 'text' && typeof json['text'] === 'string') {
    const part = build.textPart(json['text']);
    let unknown = '';
    for (const key in json) {
      if (key !== 'type' && key !== 'text') unknown = addMember(unknown, key, json[key]);
    }
    if (unknown !== '') part.extras = toExtras(unknown);
    return part;
  }
  const type = isObject(json) ? textOr(json['type'], '') : '';
  return build.part({ case: 'opaque', value: build.opaque(dialectName, type, JSON.stringify(json)) });
}

function cite(said: Part[], citations: readonly unknown[]): void {
  let text = said.findLast(({ content }) => content.case === 'text');
  if (text === undefined) {
    text = build.textPart('');
    said.push(text);
  }
  if (text.content.case === 'text') text.content.value.annotations = decodeAnnotations(citations);
}

function decodeCall(json: unknown, position: number, idOf: (call: number) => string): Part {
  const call = isObject(json) ? json : {};
  const custom = call['type'] === 'custom';
  const type = custom ? 'custom' : 'function';
  const called = isObject(call[type]) ? call[type] : {};
  const given = called[custom ? 'input' : 'arguments'];
  const id = textOr(call['id'], '');
  const value = build.toolCall(
    id === '' ? idOf(position) : id,
    textOr(called['name'], ''),
    argumentsOf(given, custom),
  );
  if (custom) value.custom = true;
  const part = build.part({ case: 'toolCall', value });
  let unknown = '';
  for (const key in call) {
    if (key !== 'id' && key !== 'type' && key !== type) unknown = addMember(unknown, key, call[key]);
  }
  let inner = '';
  for (const key in called) {
    if (key !== 'name' && key !== 'arguments' && key !== 'input') inner = addMember(inner, key, called[key]);
  }
  unknown = addNested(unknown, type, inner);
  if (unknown !== '') part.extras = toExtras(unknown);
  return part;
}

const isList = (value: unknown): boolean => Array.isArray(value) && value.length > 0;

/** Whether a value is a call in OpenAI's older form. */
export const isFunctionCall = (value: unknown): value is Json =>
  isObject(value) && typeof value['name'] === 'string' && value['name'] !== '';

function decodeOlderCall(json: Json, id: string): Part {
  const args = argumentsOf(json['arguments'], false);
  const value = build.toolCall(id, textOr(json['name'], ''), args, { legacy: true });
  const part = build.part({ case: 'toolCall', value });
  let inner = '';
  for (const key in json) if (key !== 'name' && key !== 'arguments') inner = addMember(inner, key, json[key]);
  if (inner !== '') part.extras = toExtras(addNested('', 'function_call', inner));
  return part;
}

/** Arguments as text; none at all are an empty object, and some providers send them as an object. */
export function argumentsOf(given: unknown, custom: boolean): string {
  if (typeof given === 'string') return given === '' && !custom ? '{}' : given;
  if (isObject(given)) return JSON.stringify(given);
  return custom ? '' : '{}';
}
