import type { Part, ReasoningPart, ToolCall } from '../../../gen/llmgateway/v1/message_pb.js';
import { isObject, quote, rest, splitMembers } from '../json.ts';
import { dialectName, signatureFormat } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';
import { encodeAudio, encodeFile, encodeImage, type Media } from './encode-media.ts';

/**
 * Stands for a signature on a call that another model made, or whose signature is lost: Gemini 3 refuses the history
 * otherwise. Source: ai.google.dev, "Thought signatures", on calls that were not made by Gemini.
 */
export const skippedSignature = 'skip_thought_signature_validator';

/** A part that is written: its members as text, and the signature that goes on it. */
interface Written {
  readonly members: string;
  signature: string;
}

/**
 * Writes the parts of one message. Signatures of thoughts go back to where they were: that of a call stands on the call; one
 * right after a text or a picture is that part's; any other goes on the next part that has none and, where none follows,
 * on an empty text, as streams bring it. The text of thoughts is not sent back: it is a summary for people.
 */
export class PartsWriter {
  readonly #context: EncodeContext;
  readonly #at: string;
  readonly #model: boolean;
  readonly #parts: Written[] = [];
  /** Signatures that wait for the next part. */
  #pending = '';
  /** The last part read can take the signature that follows it. */
  #takes = false;

  /** @param model whether it is the model who speaks */
  constructor(context: EncodeContext, at: string, model: boolean) {
    this.#context = context;
    this.#at = at;
    this.#model = model;
  }

  add(given: Part): void {
    const context = this.#context;
    const at = this.#at;
    const part = context.simplified(given, at);
    const { content } = part;
    if (part.cacheBreakpoint !== undefined) {
      context.warn('dropped_cache_breakpoint', at, 'Gemini finds cached prefixes by itself');
    }
    if (content.case === 'reasoning') return void this.#reasoning(content.value);
    const members = context.members(part.extras, at);
    switch (content.case) {
      case 'text':
        if (content.value.annotations.length > 0) {
          context.warn('dropped_annotations', at, 'Gemini does not take cited sources back');
        }
        return void this.#text(content.value.text, members);
      case 'refusal':
        return void this.#text(content.value.text, members);
      case 'image':
        if (content.value.detail !== '' && content.value.detail !== 'auto') {
          context.warn('dropped_detail', at, 'Gemini takes no detail of a picture');
        }
        return void this.#media(encodeImage(content.value, context, at), members);
      case 'file':
        if (content.value.filename !== '') {
          context.warn('dropped_filename', at, 'Gemini takes no names of files');
        }
        return void this.#media(encodeFile(content.value, context, at), members);
      case 'audio': {
        const media = encodeAudio(content.value);
        if (media !== undefined) return void this.#media(media, members);
        context.warn('dropped_part', at, 'sound by id has no place in google.gemini');
        return void this.#text(content.value.transcript, members);
      }
      case 'toolCall':
        return void this.#call(content.value, members);
      case 'opaque':
        if (content.value.dialect === dialectName) {
          this.#push(opaqueMembers(content.value.json), false);
          return;
        }
        return void context.warn(
          'dropped_part',
          at,
          `a part of ${content.value.dialect} has no place in google.gemini`,
        );
      default:
        return void context.warn(
          'dropped_part',
          at,
          `a part of kind ${content.case ?? 'unknown'} has no place here`,
        );
    }
  }

  /** The parts as items of a JSON list, without brackets. */
  end(): string {
    if (this.#pending !== '') this.#push('"text":""', true);
    this.#signCalls();
    let list = '';
    for (const { members, signature } of this.#parts) {
      const signed = signature === '' ? '' : `,"thoughtSignature":${quote(signature)}`;
      list += `${list === '' ? '' : ','}{${members}${signed}}`;
    }
    return list;
  }

  #text(text: string, members: string): void {
    if (text === '' && members === '' && this.#model) {
      this.#takes = false;
      return;
    }
    this.#push(`"text":${quote(text)}${rest(members)}`, true);
  }

  #media({ key, members: own }: Media, members: string): void {
    const { inner, outer } = splitMembers(members, key);
    this.#push(`"${key}":{${own}${rest(inner)}}${rest(outer)}`, true);
  }

  #call(call: ToolCall, members: string): void {
    const { id, name, signature } = call;
    const { inner, outer } = splitMembers(members, 'functionCall');
    const given = this.#context.dialect.callIds === 'send' && id !== '' ? `"id":${quote(id)},` : '';
    const args = argumentsText(call, this.#context, this.#at);
    this.#push(
      `"functionCall":{${given}"name":${quote(name)},"args":${args}${rest(inner)}}${rest(outer)}`,
      false,
    );
    const written = this.#parts[this.#parts.length - 1];
    if (written === undefined) return;
    if (signature !== '') written.signature = signature;
    else this.#sign(written);
  }

  #reasoning({ text, signature, encrypted, format }: ReasoningPart): void {
    const state = signature !== '' ? signature : encrypted;
    if (state === '') {
      // The text of its own thoughts is a summary for people, which Gemini never wants back.
      if (text !== '' && format !== signatureFormat) this.#dropped('dropped_reasoning');
      return;
    }
    if (format !== signatureFormat) return void this.#dropped('dropped_reasoning_state');
    const last = this.#parts[this.#parts.length - 1];
    if (text === '' && this.#takes && last !== undefined && last.signature === '') last.signature = state;
    else if (this.#pending === '') this.#pending = state;
    else {
      this.#push('"text":""', true);
      this.#pending = state;
    }
    this.#takes = false;
  }

  #dropped(code: string): void {
    this.#context.warn(code, this.#at, 'reasoning of another provider has no place in google.gemini');
  }

  #push(members: string, signable: boolean): void {
    const written: Written = { members, signature: '' };
    this.#parts.push(written);
    if (signable) this.#sign(written);
    this.#takes = signable && written.signature === '';
  }

  #sign(written: Written): void {
    if (this.#pending === '') return;
    written.signature = this.#pending;
    this.#pending = '';
  }

  /** The first call of an answer has to be signed; the others that go with it are not. */
  #signCalls(): void {
    if (!this.#model || !this.#context.family.needsSignatures) return;
    const first = this.#parts.find(({ members }) => members.startsWith('"functionCall":'));
    if (first === undefined || first.signature !== '') return;
    first.signature = skippedSignature;
    this.#context.warn(
      'missing_thought_signature',
      this.#at,
      'a call has no thought signature: the model goes on without what it thought then',
    );
  }
}

/** An object's own members, without the braces. */
function opaqueMembers(json: string): string {
  const text = json.trim();
  return text.startsWith('{') ? text.slice(1, -1) : `"text":${quote(text)}`;
}

/** Arguments have to be an object; what a model wrote amiss stays readable in one. */
function argumentsText({ arguments: text }: ToolCall, context: EncodeContext, at: string): string {
  if (text.trim() === '') return '{}';
  try {
    if (isObject(JSON.parse(text))) return text;
  } catch {
    // It is wrapped below.
  }
  context.warn(
    'wrapped_arguments',
    at,
    'arguments that are no JSON object are sent as one with the member "arguments"',
  );
  return `{"arguments":${quote(text)}}`;
}
