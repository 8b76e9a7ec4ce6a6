import { isObject, type Json, quote } from '../json.ts';

/**
 * Members of an object that is written: JSON texts by key, each key once. A client's own members in Gemini's words win over what
 * was made of the typed fields.
 */
export class Members {
  readonly #texts = new Map<string, string>();

  set(key: string, text: string): this {
    this.#texts.set(key, text);
    return this;
  }

  /** @param members members as text, without braces */
  addAll(members: string): this {
    if (members === '') return this;
    const json = JSON.parse(`{${members}}`) as Json;
    for (const key in json) this.#texts.set(key, JSON.stringify(json[key]));
    return this;
  }

  /** Takes out an object's members as text, without braces; '' where there is none. */
  takeObject(key: string): string {
    const text = this.#texts.get(key);
    if (text === undefined || !isObject(JSON.parse(text))) return '';
    this.#texts.delete(key);
    return text.slice(1, -1);
  }

  has(key: string): boolean {
    return this.#texts.has(key);
  }

  get size(): number {
    return this.#texts.size;
  }

  /** The object as JSON text. */
  toString(): string {
    let json = '';
    for (const [key, text] of this.#texts) json += `${json === '' ? '' : ','}${quote(key)}:${text}`;
    return `{${json}}`;
  }
}
