import { redactText } from '../observability/redact.ts';

/** Wrong configuration: one line for each mistake, naming the setting, what it is and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super(lines.join('\n'));
    this.lines = lines;
  }
}

const hidden = '[secret]';
/** Longest value that is shown, in characters. */
const maxShown = 80;
/** Shorter ones are not hidden by what they are: they would hide ordinary words. */
const leastHidden = 4;

/** Collects mistakes, so that all are told at once. No secret gets into them. */
export class Problems {
  readonly lines: string[] = [];
  readonly #secrets = new Set<string>();
  readonly #told = new Set<string>();

  /** From now on this text is not shown, whatever setting it stands in. Texts of less than 4 characters are. */
  hide(secret: string): void {
    for (const text of [secret, secret.trim(), JSON.stringify(secret).slice(1, -1)]) {
      if (text.length >= leastHidden) this.#secrets.add(text);
    }
  }

  add(line: string): void {
    const told = this.#clean(line).replace(/\s*[\r\n]+\s*/g, ' ');
    // What is read in two places, such as a setting within a map, is one mistake.
    if (!this.#told.has(told)) this.lines.push(told);
    this.#told.add(told);
  }

  /** @param allowed what the value has to be */
  wrong(place: string, value: unknown, allowed: string): void {
    this.add(`${place}: is ${this.shown(value)}, has to be ${allowed}`);
  }

  /** A name that means nothing. @param known those that would */
  unknown(place: string, name: string, known: Iterable<string>): void {
    this.add(`${place}: is not a setting${didYouMean(name, known)}`);
  }

  /** A wrong value as it may be shown: short, on one line, without secrets. */
  shown(value: unknown): string {
    if (value === undefined) return 'missing';
    const text = this.#clean(JSON.stringify(value) ?? String(value));
    return text.length > maxShown ? `${text.slice(0, maxShown - 3)}...` : text;
  }

  /** @throws ConfigError when there are any */
  throwIfAny(): void {
    if (this.lines.length > 0) throw new ConfigError(this.lines);
  }

  #clean(text: string): string {
    let clean = text;
    for (const secret of this.#secrets) clean = clean.replaceAll(secret, hidden);
    return redactText(clean);
  }
}

/** The known name closest to a misspelt one, as the end of a sentence; empty when none is close. */
export function didYouMean(name: string, known: Iterable<string>): string {
  let best = '';
  // A third of the letters may be wrong, three at most.
  let least = Math.min(4, Math.ceil(name.length / 3) + 1);
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= least) continue;
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best === '' ? '' : `; did you mean ${best}?`;
}

/** Letters to insert, delete, replace or swap with their neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, before[j - 2]! + 1);
      }
      next.push(cost);
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}
