import type { Catalogue } from './catalogue.ts';

/** Tokens that a model takes of which nothing at all is known. */
export const usualWindow = 8_192;

/** Names that are kept at most; clients use few. */
const maxKept = 2_048;
const maxKeptLength = 256;
/** Shorter names are no names of models. */
const leastLength = 4;

/** Context windows of models that are not in the catalogue, by names that are: other providers serve the same models. */
export class Windows {
  /** Names in lower case, without makers and dates; the longest first. */
  readonly #known: readonly (readonly [name: string, window: number])[];
  readonly #kept = new Map<string, number>();

  constructor({ entries }: Catalogue) {
    const known = new Map<string, number>();
    for (const { model } of entries) {
      if (model.contextWindow === 0) continue;
      for (const name of [model.id, model.upstreamId]) {
        const base = baseOf(name);
        if (base.length >= leastLength && !known.has(base)) known.set(base, model.contextWindow);
      }
    }
    this.#known = [...known].sort(([a], [b]) => b.length - a.length);
  }

  /** The window of the longest known name that the model's has in it, as whole words; 8,192 tokens when there is none. */
  like(model: string): number {
    const kept = this.#kept.get(model);
    if (kept !== undefined) return kept;
    const name = model.toLowerCase();
    const window = this.#known.find(([base]) => holds(name, base))?.[1] ?? usualWindow;
    if (this.#kept.size >= maxKept) this.#kept.clear();
    if (model.length <= maxKeptLength) this.#kept.set(model, window);
    return window;
  }
}

/** `anthropic.claude-3-sonnet-20240229-v1:0` is a `claude-3-sonnet`. */
const baseOf = (name: string): string =>
  name
    .toLowerCase()
    .replace(/^.*\//, '')
    .replace(/^[a-z]+\.(?=[a-z])/, '')
    .replace(/-\d{8}(?=$|-).*$/, '');

/** What is around it must not go on with the word or the version: a `gpt-4.1` is no `gpt-4`. */
function holds(name: string, base: string): boolean {
  for (let at = name.indexOf(base); at >= 0; at = name.indexOf(base, at + 1)) {
    const before = name[at - 1] ?? '';
    const after = name.slice(at + base.length);
    if (!/[a-z\d]/.test(before) && /^(?:$|[^a-z\d.]|\.(?!\d))/.test(after)) return true;
  }
  return false;
}
