import { hash } from 'node:crypto';
import type { Annotation, Part } from '../../gen/llmgateway/v1/message_pb.js';
import { pictureDigest } from '../model/picture-signatures.ts';

/**
 * How the parts of an answer followed each other. Providers want their reasoning back where it was, and the forms of most
 * clients put all of it before the text, and the text before the calls.
 */
export interface AnswerOrder {
  readonly steps: readonly Step[];
  /** Characters of its text, and their digest: what was said is known again, and not kept. */
  readonly length: number;
  readonly digest: string;
}

export type Step =
  | { readonly kind: 'reasoning'; readonly part: Part }
  | { readonly kind: 'text'; readonly length: number }
  | { readonly kind: 'toolCall'; readonly id: string }
  /** Something else, by its case, and a picture by its digest; clients may leave it out. */
  | { readonly kind: 'other'; readonly case: string; readonly digest?: string };

/** An answer of more parts is not kept in its order. */
const maxSteps = 1_024;

/** The order of an answer; undefined where it is the one that all forms have: reasoning, what is said, calls. */
export function orderOf(parts: readonly Part[]): AnswerOrder | undefined {
  if (parts.length > maxSteps || isCommon(parts)) return undefined;
  const text = textOf(parts);
  return { steps: parts.map(stepOf), length: text.length, digest: digestOf(text) };
}

function isCommon(parts: readonly Part[]): boolean {
  let stage = 0;
  let reasons = false;
  for (const { content } of parts) {
    const own = content.case === 'reasoning' ? 0 : content.case === 'toolCall' ? 2 : 1;
    reasons ||= own === 0;
    if (own < stage && reasons) return false;
    stage = Math.max(stage, own);
  }
  return true;
}

function stepOf(part: Part): Step {
  const { content } = part;
  switch (content.case) {
    case 'reasoning':
      return { kind: 'reasoning', part };
    case 'text':
      return { kind: 'text', length: content.value.text.length };
    case 'toolCall':
      return { kind: 'toolCall', id: content.value.id };
    case 'image':
      return { kind: 'other', case: 'image', digest: pictureDigest(content.value) };
    default:
      return { kind: 'other', case: content.case ?? '' };
  }
}

const textOf = (parts: readonly Part[]): string => {
  let text = '';
  for (const { content } of parts) if (content.case === 'text') text += content.value.text;
  return text;
};

const digestOf = (text: string): string => hash('sha256', text, 'base64');

/**
 * The parts that a client sent back, in the order of the answer, with its reasoning in place of theirs.
 * @returns null when they do not say what the answer did: other text, other calls, other pictures
 */
export function inOrder(given: readonly Part[], order: AnswerOrder): Part[] | null {
  const calls = given.filter(({ content }) => content.case === 'toolCall');
  const texts = given.filter(({ content }) => content.case === 'text');
  const text = textOf(texts);
  if (text.length !== order.length || digestOf(text) !== order.digest) return null;
  const others = othersOf(given, order);
  if (others === null) return null;
  const cutter = new TextCutter(texts);
  const out: Part[] = [];
  for (const [i, step] of order.steps.entries()) {
    switch (step.kind) {
      case 'reasoning':
        out.push(step.part);
        break;
      case 'text':
        if (!cutter.take(step.length, out)) return null;
        break;
      case 'toolCall': {
        const call = calls.shift();
        if (call?.content.case !== 'toolCall' || call.content.value.id !== step.id) return null;
        out.push(call);
        break;
      }
      default: {
        const other = others.get(i);
        if (other !== undefined) out.push(other);
      }
    }
  }
  return calls.length > 0 ? null : out;
}

/**
 * What else there is, by the number of its step. A picture is known again by its data, also where others of the answer are missing.
 * @returns null where the place of something is not known: it is, of its case, neither all nor nothing of what the answer had
 */
function othersOf(given: readonly Part[], { steps }: AnswerOrder): Map<number, Part> | null {
  const places = new Map<number, Part>();
  const unknown = new Map<string, Part[]>();
  const free = (kind: string): number[] =>
    [...steps.keys()].filter((i) => {
      const step = steps[i];
      return step?.kind === 'other' && step.case === kind && !places.has(i);
    });
  for (const part of given) {
    const other = stepOf(part);
    if (other.kind !== 'other') continue;
    const isSame = (step: Step | undefined): boolean =>
      step?.kind === 'other' && step.digest !== undefined && step.digest === other.digest;
    const place = free(other.case).find((i) => isSame(steps[i]));
    if (place !== undefined) places.set(place, part);
    else unknown.set(other.case, [...(unknown.get(other.case) ?? []), part]);
  }
  for (const [kind, parts] of unknown) {
    const left = free(kind);
    if (left.length !== parts.length) return null;
    left.forEach((place, i) => {
      places.set(place, parts[i] as Part);
    });
  }
  return places;
}

/** Cuts texts into the pieces that they were said in. */
class TextCutter {
  readonly #texts: readonly Part[];
  #next = 0;
  /** Characters of the next text that are taken. */
  #taken = 0;

  constructor(texts: readonly Part[]) {
    this.#texts = texts.filter(({ content }) => content.case === 'text' && content.value.text !== '');
  }

  /** Takes so many characters. @returns false where a text cannot be cut, because it has members of its own */
  take(length: number, out: Part[]): boolean {
    let left = length;
    while (left > 0) {
      const part = this.#texts[this.#next];
      if (part?.content.case !== 'text') return false;
      const rest = part.content.value.text.length - this.#taken;
      const count = Math.min(rest, left);
      if (this.#taken === 0 && count === rest) out.push(part);
      else if (part.extras !== undefined) return false;
      else out.push(cut(part, this.#taken, this.#taken + count));
      left -= count;
      this.#taken += count;
      if (count === rest) {
        this.#next++;
        this.#taken = 0;
      }
    }
    return true;
  }
}

/** A piece of a text. What marks the text's end stays at its end; sources go along with what they are of. */
function cut(part: Part, from: number, to: number): Part {
  if (part.content.case !== 'text') return part;
  const { cacheBreakpoint, ...rest } = part;
  const { value } = part.content;
  const last = to === value.text.length;
  const annotations: Annotation[] = [];
  for (const annotation of value.annotations) {
    const { kind } = annotation;
    if (kind.case !== 'urlCitation') {
      if (last) annotations.push(annotation);
      continue;
    }
    const { startIndex, endIndex } = kind.value;
    const here = endIndex > from ? endIndex <= to || last : from === 0 && endIndex === 0;
    if (!here) continue;
    const moved = {
      ...kind.value,
      startIndex: Math.max(startIndex - from, 0),
      endIndex: Math.min(endIndex, to) - from,
    };
    annotations.push({ ...annotation, kind: { case: 'urlCitation', value: moved } });
  }
  const content = {
    case: 'text' as const,
    value: { ...value, text: value.text.slice(from, to), annotations },
  };
  return last && cacheBreakpoint !== undefined ? { ...rest, content, cacheBreakpoint } : { ...rest, content };
}
