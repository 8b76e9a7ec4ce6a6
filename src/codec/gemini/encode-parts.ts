import type { Part, ReasoningPart, ToolCall } from '../../../gen/llmgateway/v1/message_pb.js';
import { quote, rest, splitMembers } from '../json.ts';
import { encodeArguments } from '../tool-arguments.ts';
import { dialectName, signatureFormat } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';
import { encodeAudio, encodeFile, encodeImage, type Media, unsentSound } from './encode-media.ts';

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
 * Writes the parts of one message. Signatures go back to where they were: that of a call stands on the call; that of a thought
 * with its text goes on an empty text, since the text of thoughts, a summary for people, is not sent back; one right after a
 * text or a picture is that part's; any other goes on the text that follows, and where none does, on an empty text, as
 * streams bring it.
 */
export class PartsWriter {
  readonly #context: EncodeContext;
  readonly #at: string;
  readonly #model: boolean;
  readonly #parts: Written[] = [];
  /** A signature that waits for a text. */
  #pending = '';
  /** The last part written can take the signature that follows it. */
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
        return void this.#media(() => encodeImage(content.value, context, at), members);
      case 'file':
        if (content.value.filename !== '') {
          context.warn('dropped_filename', at, 'Gemini takes no names of files');
        }
        return void this.#media(() => encodeFile(content.value, context, at), members);
      case 'audio': {
        const media = encodeAudio(content.value);
        if (media !== undefined) return void this.#media(() => media, members);
        return void this.#text(context.transcribed(content.value, at, this.#model, unsentSound), '');
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
    this.#placePending();
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

  #media(encode: () => Media, members: string): void {
    const media = this.#context.spared(this.#model, this.#at, encode);
    if (media === undefined) return;
    const { key, members: own } = media;
    const { inner, outer } = splitMembers(members, key);
    // A picture's own signature comes right after it: what waits is not of the picture.
    this.#placePending();
    this.#push(`"${key}":{${own}${rest(inner)}}${rest(outer)}`, true);
  }

  #call(call: ToolCall, members: string): void {
    const { id, name, signature } = call;
    const { inner, outer } = splitMembers(members, 'functionCall');
    const given = this.#context.dialect.callIds === 'send' && id !== '' ? `"id":${quote(id)},` : '';
    const args = encodeArguments(call, this.#context, this.#at);
    this.#push(
      `"functionCall":{${given}"name":${quote(name)},"args":${args}${rest(inner)}}${rest(outer)}`,
      false,
    );
    const written = this.#parts[this.#parts.length - 1];
    if (written === undefined) return;
    written.signature = signature;
  }

  #reasoning({ text, signature, encrypted, format, id }: ReasoningPart): void {
    const state = signature !== '' ? signature : encrypted;
    if (state === '') {
      // The text of its own thoughts is a summary for people, which Gemini never wants back.
      if (text !== '' && format !== signatureFormat) this.#dropped('dropped_reasoning');
      return;
    }
    if (format !== signatureFormat) return void this.#dropped('dropped_reasoning_state');
    if (id !== '') {
      const what = 'the call or picture whose thought signature this is, is not in the message';
      return void this.#context.warn('dropped_reasoning_state', this.#at, what);
    }
    const last = this.#parts[this.#parts.length - 1];
    if (text === '' && this.#takes && last !== undefined) last.signature = state;
    else {
      this.#placePending();
      this.#pending = state;
      if (text !== '') this.#placePending();
    }
    this.#takes = false;
  }

  #dropped(code: string): void {
    this.#context.warn(code, this.#at, 'reasoning of another provider has no place in google.gemini');
  }

  /** @param signable it takes a signature that waits or, if there is none, one that follows */
  #push(members: string, signable: boolean): void {
    if (!signable) this.#placePending();
    this.#parts.push({ members, signature: this.#pending });
    this.#takes = signable && this.#pending === '';
    this.#pending = '';
  }

  /** A signature that waits and has no part goes on an empty text, as streams bring it. */
  #placePending(): void {
    if (this.#pending !== '') this.#push('"text":""', true);
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
