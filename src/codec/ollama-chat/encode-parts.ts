import { Buffer } from 'node:buffer';
import type { FilePart, ImagePart, Part } from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { quote } from '../json.ts';
import type { EncodeContext } from './encode-context.ts';

/** What a message says: one text, and its pictures as items of a JSON list. */
export interface Content {
  readonly text: string;
  readonly images: string;
  /** There is a text, be it empty, or a picture. */
  readonly said: boolean;
}

/**
 * The content of a message. Ollama knows one text and a list of pictures for each; several texts become one.
 * @param answered it is of an earlier answer: what cannot be said again of those is left out, and texts go on without a break
 * @param at place of the message in the request
 * @throws GatewayError INVALID_REQUEST when there is something in it that Ollama cannot take and the answer hangs on
 */
export function encodeContent(
  parts: readonly Part[],
  answered: boolean,
  context: EncodeContext,
  at: string,
): Content {
  const texts: string[] = [];
  let images = '';
  for (const given of parts) {
    const part = context.simplified(given, at);
    const { content } = part;
    if (part.extras !== undefined) context.members(part.extras, at);
    if (part.cacheBreakpoint !== undefined) {
      context.warn(
        'dropped_cache_breakpoint',
        at,
        'Ollama caches prompts by itself and takes no breakpoints',
      );
    }
    switch (content.case) {
      case 'text':
        if (content.value.annotations.length > 0) {
          context.warn('dropped_annotations', at, 'Ollama does not take cited sources back');
        }
        texts.push(content.value.text);
        break;
      case 'refusal':
        texts.push(content.value.text);
        break;
      case 'image': {
        const image = context.spared(answered, at, () => encodeImage(content.value, context, at)) ?? '';
        images += images === '' || image === '' ? image : `,${image}`;
        break;
      }
      case 'file':
        if (content.value.filename !== '') {
          context.warn('dropped_filename', at, 'Ollama takes the text of a file, not its name');
        }
        texts.push(context.spared(answered, at, () => textOfFile(content.value, at)) ?? '');
        break;
      case 'audio':
        texts.push(context.transcribed(content.value, `${at}.content`, answered, 'Ollama takes no sound'));
        break;
      default:
        context.warn('dropped_part', at, `a part of kind ${content.case ?? 'unknown'} has no place here`);
    }
  }
  return { text: texts.join(answered ? '' : '\n'), images, said: texts.length > 0 || images !== '' };
}

/**
 * The same of what the model has to hear: a user's words, or a tool's.
 * @throws GatewayError INVALID_REQUEST when nothing of it is left, too
 */
export function encodeHeard(parts: readonly Part[], context: EncodeContext, at: string): Content {
  const content = encodeContent(parts, false, context, at);
  if (!content.said && parts.length > 0) throw context.emptied(`${at}.content`);
  return content;
}

/** Head of a data: URL whose data is base64. */
const base64Head = /^data:[^,]*;base64,/i;

/** A picture as base64: what is in a data: URL already stays as it is. */
function encodeImage({ source, detail }: ImagePart, context: EncodeContext, at: string): string {
  if (detail !== '' && detail !== 'auto') {
    context.warn('dropped_detail', at, 'Ollama does not take the detail of a picture');
  }
  if (source.case === 'data') return quote(base64(source.value));
  const head = source.case === 'url' ? base64Head.exec(source.value)?.[0] : undefined;
  if (source.case === 'url' && head !== undefined) return quote(source.value.slice(head.length));
  const what = source.case === 'url' ? 'a picture by URL' : 'a picture by file id';
  throw invalidRequest(
    `${at}.content`,
    `Invalid '${at}.content': Ollama does not take ${what}; send it as a data: URL in base64.`,
  );
}

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

const isText = (mediaType: string): boolean => mediaType.toLowerCase().startsWith('text/');

/** A document that is plain text; Ollama takes no other. */
function textOfFile({ source, mediaType }: FilePart, at: string): string {
  if (source.case === 'text') return source.value;
  if (source.case === 'data' && isText(mediaType)) return Buffer.from(source.value).toString('utf8');
  if (source.case === 'url') {
    const head = base64Head.exec(source.value)?.[0];
    if (head !== undefined && isText(head.slice('data:'.length))) {
      return Buffer.from(source.value.slice(head.length), 'base64').toString('utf8');
    }
  }
  throw invalidRequest(
    `${at}.content`,
    `Invalid '${at}.content': Ollama takes no documents other than plain text.`,
  );
}
