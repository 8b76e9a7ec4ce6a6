import type { CreateChatCompletionResponse } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { Choice } from '../../../gen/llmgateway/v1/completion_pb.js';
import type { Message, Part } from '../../../gen/llmgateway/v1/message_pb.js';
import { quote, rest, splitMembers } from '../json.ts';
import { encodeAnnotations } from './annotations.ts';
import { encodeAnswerImage } from './answer-images.ts';
import { dialectName } from './dialect.ts';
import { ownMembers } from './extras.ts';
import { encodeFinish } from './finish.ts';
import { encodeLogprobs } from './logprobs.ts';
import { encodeDetails, isOpaqueDetail, reasoningText } from './reasoning.ts';
import { encodeUsage } from './usage.ts';

/** A completion as the body that OpenAI's clients expect: what they require is there, null where it is not known. */
export function encodeChatResponse(response: CreateChatCompletionResponse): string {
  const { id, createdAt, model, choices, usage, serviceTier, systemFingerprint } = response;
  let json = `{"id":${quote(id)},"object":"chat.completion","created":${createdAt},"model":${quote(model)},"choices":[`;
  for (let i = 0; i < choices.length; i++) {
    if (i > 0) json += ',';
    json += encodeChoice(choices[i] as Choice);
  }
  json += ']';
  if (usage !== undefined) json += `,"usage":${encodeUsage(usage)}`;
  if (serviceTier !== '') json += `,"service_tier":${quote(serviceTier)}`;
  if (systemFingerprint !== '') json += `,"system_fingerprint":${quote(systemFingerprint)}`;
  return `${json}${rest(ownMembers(response.extras))}}`;
}

function encodeChoice({
  index,
  message,
  finishReason,
  nativeFinishReason,
  logprobs,
  extras,
}: Choice): string {
  const native = nativeFinishReason === '' ? '' : `,"native_finish_reason":${quote(nativeFinishReason)}`;
  return (
    `{"index":${index},"message":${message === undefined ? '{"role":"assistant","content":null,"refusal":null}' : encodeMessage(message)},` +
    `"logprobs":${encodeLogprobs(logprobs)},"finish_reason":${encodeFinish(finishReason)}${native}${rest(ownMembers(extras))}}`
  );
}

/** What a message's parts are on this wire. */
interface Said {
  text: string | null;
  /** Items of a content list. */
  items: string;
  refusal: string | null;
  calls: string;
  functionCall: string;
  audio: string;
  images: string;
  citations: string;
  thinks: boolean;
}

function encodeMessage({ parts, multipart, extras }: Message): string {
  const said: Said = {
    text: null,
    items: '',
    refusal: null,
    calls: '',
    functionCall: '',
    audio: '',
    images: '',
    citations: '',
    thinks: false,
  };
  for (const part of parts) addPart(said, part);
  const content = multipart ? `[${said.items}]` : said.text === null ? 'null' : quote(said.text);
  let json = `{"role":"assistant","content":${content},"refusal":${said.refusal === null ? 'null' : quote(said.refusal)}`;
  if (said.thinks) {
    const reasoning = reasoningText(parts);
    if (reasoning !== '') json += `,"reasoning_content":${quote(reasoning)}`;
    const details = encodeDetails(parts);
    if (details !== '') json += `,"reasoning_details":${details}`;
  }
  if (said.citations !== '') json += `,"annotations":[${said.citations}]`;
  if (said.audio !== '') json += `,"audio":${said.audio}`;
  if (said.images !== '') json += `,"images":[${said.images}]`;
  if (said.calls !== '') json += `,"tool_calls":[${said.calls}]`;
  if (said.functionCall !== '') json += `,"function_call":${said.functionCall}`;
  return `${json}${rest(ownMembers(extras))}}`;
}

const joined = (list: string, item: string): string =>
  item === '' || list === '' ? `${list}${item}` : `${list},${item}`;

function addPart(said: Said, part: Part): void {
  const { content } = part;
  switch (content.case) {
    case 'text': {
      const { text, annotations } = content.value;
      if (annotations.length > 0) {
        said.citations = joined(said.citations, encodeAnnotations(annotations, said.text?.length ?? 0));
      }
      said.text = said.text === null ? text : said.text + text;
      said.items = joined(
        said.items,
        `{"type":"text","text":${quote(text)}${rest(ownMembers(part.extras))}}`,
      );
      return;
    }
    case 'refusal':
      said.refusal = (said.refusal ?? '') + content.value.text;
      return;
    case 'reasoning':
      said.thinks = true;
      return;
    case 'toolCall':
      said.thinks ||= content.value.signature !== '';
      if (content.value.legacy) said.functionCall ||= encodeFunctionCall(part);
      else said.calls = joined(said.calls, encodeCall(part));
      return;
    case 'image':
      said.images = joined(said.images, encodeAnswerImage(part));
      return;
    case 'audio':
      said.audio = encodeAudio(part);
      return;
    case 'opaque':
      if (isOpaqueDetail(part)) said.thinks = true;
      else if (content.value.dialect !== dialectName) return;
      else if (content.value.type === 'images') said.images = joined(said.images, content.value.json);
      else said.items = joined(said.items, content.value.json);
      return;
    default:
  }
}

function encodeCall(part: Part): string {
  if (part.content.case !== 'toolCall') return '';
  const { id, name, arguments: args, custom } = part.content.value;
  const type = custom ? 'custom' : 'function';
  const { inner, outer } = splitMembers(ownMembers(part.extras), type);
  const key = custom ? 'input' : 'arguments';
  return `{"id":${quote(id)},"type":"${type}","${type}":{"name":${quote(name)},"${key}":${quote(args)}${rest(inner)}}${rest(outer)}}`;
}

function encodeFunctionCall(part: Part): string {
  if (part.content.case !== 'toolCall') return '';
  const { name, arguments: args } = part.content.value;
  const { inner } = splitMembers(ownMembers(part.extras), 'function_call');
  return `{"name":${quote(name)},"arguments":${quote(args)}${rest(inner)}}`;
}

function encodeAudio(part: Part): string {
  if (part.content.case !== 'audio') return '';
  const { source, transcript, expiresAt, answerId } = part.content.value;
  const id = answerId === '' ? '' : `"id":${quote(answerId)},`;
  const data =
    source.case === 'base64'
      ? source.value
      : source.case === 'data'
        ? Buffer.from(source.value).toString('base64')
        : '';
  const expires = expiresAt === undefined ? '' : `,"expires_at":${expiresAt}`;
  return `{${id}"data":${quote(data)},"transcript":${quote(transcript)}${expires}${rest(ownMembers(part.extras))}}`;
}
