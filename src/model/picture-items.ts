import { Buffer } from 'node:buffer';
import type { ImagePart, OpaquePart, Part } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from './build.ts';

// A picture in an answer is an item by itself in the responses API, whose messages have none.

const dialect = 'openai.responses';
const type = 'image_generation_call';

/** A picture of an answer as an item. What is not there as data has no place in `result`. @param id of the item */
export function itemOfPicture({ source, mediaType }: ImagePart, id: string): Part {
  const json = JSON.stringify({ id, type, status: 'completed', ...membersOf(source, mediaType) });
  return build.part({ case: 'opaque', value: build.opaque(dialect, type, json) }, { itemId: id });
}

function membersOf(source: ImagePart['source'], mediaType: string): object {
  if (source.case === 'data') {
    const format = mediaType.replace(/^image\//, '') || 'png';
    return { result: Buffer.from(source.value).toString('base64'), output_format: format };
  }
  const url = source.value ?? '';
  const [, format] = /^data:image\/([\w.+-]+);base64,/i.exec(url.slice(0, 128)) ?? [];
  if (format !== undefined) return { result: url.slice(url.indexOf(',') + 1), output_format: format };
  return { result: null, [source.case === 'fileId' ? 'file_id' : 'image_url']: url };
}

const isPictureItem = (item: OpaquePart): boolean => item.dialect === dialect && item.type === type;

/** The picture that an item shows; null for any other part, and where there is none. */
export function pictureOf({ content }: Part): Part | null {
  if (content.case !== 'opaque' || !isPictureItem(content.value)) return null;
  const {
    result,
    output_format: format = 'png',
    image_url: url,
    file_id: fileId,
  } = JSON.parse(content.value.json) as Record<string, unknown>;
  const picture = (source: ImagePart['source']): Part =>
    build.part({ case: 'image', value: build.image(source) });
  if (typeof result === 'string' && result !== '') {
    return picture({ case: 'url', value: `data:image/${format};base64,${result}` });
  }
  if (typeof url === 'string') return picture({ case: 'url', value: url });
  return typeof fileId === 'string' ? picture({ case: 'fileId', value: fileId }) : null;
}

/** Such an item as it begins: without its picture. Others stay as they are. */
export function begunPicture(item: OpaquePart): OpaquePart {
  if (!isPictureItem(item)) return item;
  const members = JSON.parse(item.json) as object;
  return { ...item, json: JSON.stringify({ ...members, status: 'in_progress', result: null }) };
}
