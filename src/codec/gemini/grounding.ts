import { Buffer } from 'node:buffer';
import type { Annotation } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { addMember, isObject, type Json } from '../json.ts';
import { toExtras } from './extras.ts';

/** A text that is cited from. Offsets of Gemini's count bytes of UTF-8, ours characters of JavaScript. */
export interface CitedText {
  readonly text: string;
  /** Its number among the parts of the content. */
  readonly partIndex: number;
}

/** A source, and the text of the answer that it is of. */
export interface Citation {
  readonly annotation: Annotation;
  /** Its number in the list of texts. */
  readonly text: number;
}

const maxCitations = 1_000;
const isIndex = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0;

/** Place of a byte in a text; plain ASCII, which most is, needs no counting. */
class Offsets {
  readonly #text: string;
  readonly #bytes: Buffer;

  constructor(text: string) {
    this.#text = text;
    this.#bytes = Buffer.from(text);
  }

  get bytes(): number {
    return this.#bytes.length;
  }

  at(byte: number): number {
    if (this.#bytes.length === this.#text.length) return Math.min(byte, this.#text.length);
    return this.#bytes.toString('utf8', 0, byte).length;
  }
}

/**
 * The web pages that an answer rests on, by its `groundingMetadata`: one citation for each page of each supported passage, and
 * pages without a passage at the end of the texts.
 */
export function groundingCitations(json: unknown, texts: readonly CitedText[]): Citation[] {
  if (!isObject(json) || !Array.isArray(json['groundingChunks']) || texts.length === 0) return [];
  const chunks = json['groundingChunks'];
  const supports = Array.isArray(json['groundingSupports']) ? json['groundingSupports'] : [];
  const offsets = texts.map(({ text }) => new Offsets(text));
  const citations: Citation[] = [];
  const used = new Set<number>();
  for (const support of supports) {
    if (!isObject(support) || !Array.isArray(support['groundingChunkIndices'])) continue;
    const { segment, groundingChunkIndices: indices } = support;
    const place = placeOf(isObject(segment) ? segment : {}, texts, offsets);
    for (const index of indices) {
      if (!isIndex(index) || citations.length >= maxCitations) continue;
      const annotation = pageOf(chunks[index], place.start, place.end);
      if (annotation === undefined) continue;
      used.add(index);
      citations.push({ annotation, text: place.text });
    }
  }
  for (let i = 0; i < chunks.length && citations.length < maxCitations; i++) {
    const annotation = used.has(i) ? undefined : pageOf(chunks[i], 0, 0);
    if (annotation !== undefined) citations.push({ annotation, text: texts.length - 1 });
  }
  return citations;
}

interface Place {
  readonly text: number;
  readonly start: number;
  readonly end: number;
}

/** A segment of one part; without its number, offsets count from the beginning of all texts. */
function placeOf(segment: Json, texts: readonly CitedText[], offsets: readonly Offsets[]): Place {
  const { startIndex, endIndex, partIndex } = segment;
  const start = isIndex(startIndex) ? startIndex : 0;
  const end = isIndex(endIndex) ? endIndex : start;
  const named = isIndex(partIndex) ? texts.findIndex((text) => text.partIndex === partIndex) : -1;
  if (named >= 0) return { text: named, ...rangeIn(offsets[named], start, end) };
  let before = 0;
  for (let i = 0; i < offsets.length; i++) {
    const { bytes } = offsets[i] as Offsets;
    if (start < before + bytes || i === offsets.length - 1) {
      return { text: i, ...rangeIn(offsets[i], start - before, end - before) };
    }
    before += bytes;
  }
  return { text: 0, start: 0, end: 0 };
}

function rangeIn(offsets: Offsets | undefined, start: number, end: number): { start: number; end: number } {
  if (offsets === undefined) return { start: 0, end: 0 };
  const from = offsets.at(Math.max(start, 0));
  return { start: from, end: Math.max(offsets.at(Math.max(end, 0)), from) };
}

/** A page as a citation; pages that are maps or documents name theirs under other keys. */
function pageOf(chunk: unknown, startIndex: number, endIndex: number): Annotation | undefined {
  if (!isObject(chunk)) return undefined;
  for (const kind in chunk) {
    const page = chunk[kind];
    if (!isObject(page) || typeof page['uri'] !== 'string') continue;
    const title = typeof page['title'] === 'string' ? page['title'] : '';
    const value = build.urlCitation({ url: page['uri'], title, startIndex, endIndex });
    const annotation = build.annotation({ case: 'urlCitation', value });
    let more = '';
    for (const key in page) if (key !== 'uri' && key !== 'title') more = addMember(more, key, page[key]);
    if (kind !== 'web') more = addMember(more, 'kind', kind);
    if (more !== '') annotation.extras = toExtras(more);
    return annotation;
  }
  return undefined;
}

/** What an answer quotes at length, by its `citationMetadata`. */
export function quotedCitations(json: unknown, texts: readonly CitedText[]): Citation[] {
  if (!isObject(json) || texts.length === 0) return [];
  const list = json['citationSources'] ?? json['citations'];
  if (!Array.isArray(list)) return [];
  const offsets = texts.map(({ text }) => new Offsets(text));
  const citations: Citation[] = [];
  for (const source of list.slice(0, maxCitations)) {
    if (!isObject(source) || typeof source['uri'] !== 'string') continue;
    const place = placeOf(source, texts, offsets);
    const value = build.urlCitation({
      url: source['uri'],
      title: typeof source['title'] === 'string' ? source['title'] : '',
      startIndex: place.start,
      endIndex: place.end,
    });
    const annotation = build.annotation({ case: 'urlCitation', value });
    let more = '';
    for (const key in source) if (!citedKeys.has(key)) more = addMember(more, key, source[key]);
    if (more !== '') annotation.extras = toExtras(more);
    citations.push({ annotation, text: place.text });
  }
  return citations;
}

const citedKeys: ReadonlySet<string> = new Set(['uri', 'title', 'startIndex', 'endIndex']);
