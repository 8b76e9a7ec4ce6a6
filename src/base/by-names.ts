/** A map by several names in a row. It makes no text of them, which would cost more than finding what is there. */
export class ByNames<T> {
  readonly #max: number;
  readonly #first = new Map<string, Level<T>>();
  #size = 0;

  /** @param max values that are kept; with one more, all others are forgotten */
  constructor(max: number) {
    this.#max = max;
  }

  /** How many values there are. */
  get size(): number {
    return this.#size;
  }

  get(a: string, b: string, c: string, d: string): T | undefined {
    return this.#first.get(a)?.get(b)?.get(c)?.get(d);
  }

  set(a: string, b: string, c: string, d: string, value: T): void {
    if (this.#size >= this.#max) {
      this.#first.clear();
      this.#size = 0;
    }
    const last = under(under(under(this.#first, a), b), c);
    if (!last.has(d)) this.#size++;
    last.set(d, value);
  }
}

type Level<T> = Map<string, Map<string, Map<string, T>>>;

function under<T>(maps: Map<string, Map<string, T>>, name: string): Map<string, T> {
  let found = maps.get(name);
  if (found === undefined) maps.set(name, (found = new Map()));
  return found;
}
