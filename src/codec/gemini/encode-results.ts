import type { Part, ToolResult } from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { quote, rest } from '../json.ts';
import { isObjectText } from '../tool-arguments.ts';
import type { EncodeContext } from './encode-context.ts';
import { encodeAudio, encodeFile, encodeImage, isSendable, type Media, unsentSound } from './encode-media.ts';

/** A result of a tool that is written, and the pictures and files of it that have to follow as parts of the user's. */
export interface EncodedResult {
  /** One part, as JSON text. */
  readonly part: string;
  readonly media: readonly Part[];
}

/**
 * A tool's result as a functionResponse.
 * @param name the tool's name
 * @param members further members of the functionResponse
 * @throws GatewayError INVALID_REQUEST when the name is not known, or nothing of it has a place
 */
export function encodeResult(
  result: ToolResult,
  name: string,
  members: string,
  context: EncodeContext,
  at: string,
): EncodedResult {
  if (name === '') {
    throw invalidRequest(
      at,
      `Invalid '${at}': Gemini matches results by the tool's name, and no earlier call has the id ${JSON.stringify(result.toolCallId)}.`,
    );
  }
  const texts: string[] = [];
  const media: Part[] = [];
  for (const given of result.parts) {
    const part = context.simplified(given, at);
    const { content } = part;
    if (content.case === 'text') texts.push(content.value.text);
    else if (content.case === 'refusal') texts.push(content.value.text);
    else if (content.case === 'audio' && !isSendable(content.value)) {
      texts.push(context.transcribed(content.value, at, false, unsentSound));
    } else if (isMedia(part)) media.push(part);
    else {
      const kind = content.case ?? 'unknown';
      context.warn('dropped_part', at, `a part of kind ${kind} has no place in a result`);
    }
  }
  if (texts.length + media.length === 0 && result.parts.length > 0) throw context.emptied(at);
  const { callIds } = context.dialect;
  const id = callIds === 'send' && result.toolCallId !== '' ? `"id":${quote(result.toolCallId)},` : '';
  const response = responseText(texts.join('\n'), result.isError);
  const inline = context.family.mediaInResults;
  const parts =
    inline && media.length > 0
      ? `,"parts":[${media.map((part) => mediaPart(part, context, at)).join(',')}]`
      : '';
  return {
    part: `{"functionResponse":{${id}"name":${quote(name)},"response":${response}${parts}${rest(members)}}}`,
    media: inline ? [] : media,
  };
}

const isMedia = ({ content }: Part): boolean =>
  content.case === 'image' || content.case === 'file' || content.case === 'audio';

/** A JSON object stays as it is; anything else becomes the member `result`, or `error` of a tool that failed. */
function responseText(text: string, isError: boolean): string {
  const object = text.trimStart().startsWith('{') && isObjectText(text);
  if (isError) return `{"error":${object ? text : quote(text)}}`;
  return object ? text : `{"result":${quote(text)}}`;
}

function mediaPart({ content }: Part, context: EncodeContext, at: string): string {
  const media = mediaOf(content, context, at);
  return media === undefined ? '{}' : `{"${media.key}":{${media.members}}}`;
}

function mediaOf(content: Part['content'], context: EncodeContext, at: string): Media | undefined {
  if (content.case === 'image') return encodeImage(content.value, context, at);
  if (content.case === 'file') return encodeFile(content.value, context, at);
  return content.case === 'audio' ? encodeAudio(content.value) : undefined;
}
