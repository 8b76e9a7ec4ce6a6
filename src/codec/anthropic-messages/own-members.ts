import { addMember, isObject, type Json } from '../json.ts';

/** Members of a request that came in this dialect and have no field, taken one by one; what is left is written as it is. */
export class OwnMembers {
  readonly #json: Json;

  /** @param members of an object, as text without braces */
  constructor(members: string) {
    this.#json = members === '' ? {} : (JSON.parse(`{${members}}`) as Json);
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#json, key);
  }

  /** Takes a member out. @returns undefined when there is none */
  take(key: string): unknown {
    if (!this.has(key)) return undefined;
    const value = this.#json[key];
    delete this.#json[key];
    return value;
  }

  /** Takes a member that is an object out; others stay. */
  takeObject(key: string): Json | undefined {
    return this.has(key) && isObject(this.#json[key]) ? (this.take(key) as Json) : undefined;
  }

  /** What is left, as text without braces. @param keys only these */
  rest(keys?: ReadonlySet<string>): string {
    return textOf(this.#json, keys);
  }
}

/** An object's members as text without braces. @param keys only these */
export function textOf(json: Json, keys?: ReadonlySet<string>): string {
  let members = '';
  for (const key in json) if (keys?.has(key) ?? true) members = addMember(members, key, json[key]);
  return members;
}
