import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { isMap } from './file.ts';

/** Reads one value; returns it, or a Wrong that says what is allowed. */
export type ValueReader<T> = (raw: unknown) => T | Wrong;

/** Not a value of the wanted kind. */
export class Wrong {
  /** What is allowed, as the end of "has to be …". */
  readonly allowed: string;

  constructor(allowed: string) {
    this.allowed = allowed;
  }
}

/** What a reader allows, in words. */
export function allowedBy(reader: ValueReader<unknown>): string {
  const wrong = reader(undefined);
  return wrong instanceof Wrong ? wrong.allowed : 'anything';
}

const maxTextLength = 4_096;
/** Names in one list. */
const maxNames = 64;
const wrongText = new Wrong(`text of 1 to ${maxTextLength} characters on one line`);

export const text: ValueReader<string> = (raw) => {
  const value = typeof raw === 'number' ? String(raw) : raw;
  if (typeof value !== 'string' || value.trim() === '' || value.length > maxTextLength) return wrongText;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  return /[\u0000-\u001f\u007f]/.test(value) ? wrongText : value;
};

export const flag: ValueReader<boolean> = (raw) => {
  if (typeof raw === 'boolean') return raw;
  const word = typeof raw === 'string' ? raw.trim().toLowerCase() : '';
  if (['true', '1', 'yes', 'on'].includes(word)) return true;
  if (['false', '0', 'no', 'off'].includes(word)) return false;
  return new Wrong('true or false');
};

export function wholeNumber(least: number, most: number): ValueReader<number> {
  return (raw) => {
    const value = typeof raw === 'string' && /^\s*\d+\s*$/.test(raw) ? Number(raw) : raw;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    return new Wrong(`a whole number from ${least} to ${most}`);
  };
}

const mostWorkers = 128;

/** How many processes; `auto` is as many as there are cores for this one. */
export const workerCount: ValueReader<number> = (raw) => {
  if (typeof raw === 'string' && raw.trim().toLowerCase() === 'auto')
    return Math.min(availableParallelism(), mostWorkers);
  const count = wholeNumber(1, mostWorkers)(raw);
  return count instanceof Wrong ? new Wrong(`${count.allowed}, or auto`) : count;
};

export function oneOf<const T extends string>(
  allowed: readonly T[],
  aliases: Readonly<Record<string, T>> = {},
): ValueReader<T> {
  const words = new Map<string, T>([
    ...Object.entries(aliases),
    ...allowed.map((word) => [word.toLowerCase(), word] as const),
  ]);
  const wrong = new Wrong(`one of ${allowed.join(', ')}`);
  return (raw) => (typeof raw === 'string' ? words.get(raw.trim().toLowerCase()) : undefined) ?? wrong;
}

/** A list, or text separated by commas; empty items are left out. */
export const list: ValueReader<readonly string[]> = (raw) => {
  const items = typeof raw === 'string' ? raw.split(',') : raw;
  if (Array.isArray(items) && items.every((item) => typeof item === 'string')) {
    return items.map((item) => item.trim()).filter((item) => item !== '');
  }
  return new Wrong('a list of texts, or one text separated by commas');
};

/** Names in a list, or separated by commas. @param least how many there have to be */
export const namesOf =
  (form: RegExp, what: string, least = 0): ValueReader<readonly string[]> =>
  (raw) => {
    const items = list(raw);
    const isFew = !(items instanceof Wrong) && items.length >= least && items.length <= maxNames;
    return isFew && items.every((item) => form.test(item))
      ? items
      : new Wrong(`${least === 0 ? 'up' : least} to ${maxNames} names of ${what}, separated by commas`);
  };

export const providerNames = (least = 0): ValueReader<readonly string[]> =>
  namesOf(/^[a-z][a-z\d_-]{0,63}$/, 'providers', least);

/** Of a map, or of `name=other` separated by commas, whose items may have another number of parts than two; null for all else. */
export function entriesOf(raw: unknown): readonly (readonly unknown[])[] | null {
  if (isMap(raw)) return Object.entries(raw);
  if (typeof raw !== 'string') return null;
  const items = raw.split(',').filter((item) => item.trim() !== '');
  return items.map((item) => item.split('=').map((word) => word.trim()));
}

/** Names for names: a map, or `name=other` separated by commas. */
export const pairs: ValueReader<ReadonlyMap<string, string>> = (raw) => {
  const wrong = new Wrong('a map from names to names, or `name=other` separated by commas');
  const entries = entriesOf(raw);
  if (entries === null) return wrong;
  const found = new Map<string, string>();
  for (const entry of entries) {
    const [name, other] = entry.map((word) => (typeof word === 'string' ? word.trim() : ''));
    if (entry.length !== 2 || !name || !other || !/^[\w-]+$/.test(name + other)) return wrong;
    found.set(name, other);
  }
  return found;
};

/** So many whole percentages, ascending, as a list or as text separated by commas. */
export function percentages(count: number): ValueReader<readonly number[]> {
  const wrong = new Wrong(`${count} whole percentages from 1 to 100, ascending, separated by commas`);
  return (raw) => {
    const items = typeof raw === 'string' ? raw.split(',') : raw;
    if (!Array.isArray(items) || items.length !== count) return wrong;
    const read = wholeNumber(1, 100);
    let before = 0;
    const values: number[] = [];
    for (const item of items) {
      const value = read(item);
      if (value instanceof Wrong || value <= before) return wrong;
      values.push(value);
      before = value;
    }
    return values;
  };
}

/** Any number of whole percentages up to 8, ascending; none for an empty list. */
export const percentageList: ValueReader<readonly number[]> = (raw) => {
  const items = typeof raw === 'string' ? raw.split(',') : raw;
  const wrong = new Wrong('up to 8 whole percentages from 1 to 100, ascending, separated by commas');
  if (!Array.isArray(items) || items.length > 8) return wrong;
  return items.length === 0
    ? []
    : percentages(items.length)(items) instanceof Wrong
      ? wrong
      : items.map(Number);
};

/** A number that need not be whole. */
export function fraction(least: number, most: number): ValueReader<number> {
  return (raw) => {
    const value = typeof raw === 'string' && /^\s*\d*\.?\d+\s*$/.test(raw) ? Number(raw) : raw;
    if (typeof value === 'number' && value >= least && value <= most) return value;
    return new Wrong(`a number from ${least} to ${most}`);
  };
}

/** Some of the names, as a list or as text separated by commas; `none` for none of them. */
export function listOrNone(names: readonly string[]): ValueReader<readonly string[]> {
  const wrong = new Wrong(`none, or some of ${names.join(', ')}, separated by commas`);
  return (raw) => {
    if (raw === 'none') return [];
    const items = list(raw);
    return items instanceof Wrong || !items.every((item) => names.includes(item)) ? wrong : items;
  };
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A time in milliseconds, written as seconds or with a unit: 10, 2.5, "150ms", "10s", "5m", "1h". */
export function duration(leastMs: number, mostMs: number): ValueReader<number> {
  const wrong = new Wrong(
    `a time from ${shownTime(leastMs)} to ${shownTime(mostMs)}, in seconds or with a unit (150ms, 10s, 5m)`,
  );
  return (raw) => {
    const [, number, unit] = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h)?\s*$/.exec(plain(raw)) ?? [];
    const ms = number === undefined ? Number.NaN : Math.round(Number(number) * (units[unit ?? 's'] ?? 1));
    return ms >= leastMs && ms <= mostMs ? ms : wrong;
  };
}

/** A time with the largest unit that leaves a whole number: "5m". */
export function shownTime(ms: number): string {
  const unit = Object.keys(units).findLast((name) => ms > 0 && ms % units[name]! === 0) ?? 's';
  return `${ms / units[unit]!}${unit}`;
}

const sizes: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** A size in bytes, written as a number or with a unit: 1048576, "32MiB", "10MB". */
export function bytes(least: number, most: number): ValueReader<number> {
  const wrong = new Wrong(
    `a size from ${shownSize(least)} to ${shownSize(most)}, in bytes or with a unit (32MiB, 10MB)`,
  );
  return (raw) => {
    const [, number, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(plain(raw)) ?? [];
    const factor = new Map(Object.entries(sizes)).get(unit?.toLowerCase() ?? '') ?? Number.NaN;
    const size = Math.round(Number(number) * factor);
    return size >= least && size <= most ? size : wrong;
  };
}

function shownSize(size: number): string {
  const unit = ['GiB', 'MiB', 'KiB'].find((name) => size % sizes[name.toLowerCase()]! === 0);
  return unit === undefined ? `${size} bytes` : `${size / sizes[unit.toLowerCase()]!}${unit}`;
}

const plain = (raw: unknown): string =>
  typeof raw === 'number' || typeof raw === 'string' ? String(raw) : '';

/** An http(s) address without query; slashes at its end are cut off. */
export const address: ValueReader<string> = (raw) => {
  const wrong = new Wrong('an http or https URL without query and credentials');
  if (typeof raw !== 'string' || /\s/.test(raw) || !URL.canParse(raw)) return wrong;
  const { protocol, search, hash, username, password } = new URL(raw);
  const isPlain = search === '' && hash === '' && username === '' && password === '' && !/[?#]$/.test(raw);
  return isPlain && (protocol === 'http:' || protocol === 'https:') ? raw.replace(/\/+$/, '') : wrong;
};

/** A name or address to listen on. */
export const host: ValueReader<string> = (raw) => {
  const wrong = new Wrong('an IP address or a host name');
  if (typeof raw !== 'string') return wrong;
  const name = raw.trim();
  return isIP(name) !== 0 || /^(?=.{1,253}$)[a-z\d](?:[a-z\d.-]*[a-z\d])?$/i.test(name) ? name : wrong;
};

/** Web origins, or `*`. */
export const origins: ValueReader<readonly string[]> = (raw) => {
  const items = list(raw);
  const wrong = new Wrong('*, or web origins such as https://console.example.com, separated by commas');
  if (items instanceof Wrong) return wrong;
  return items.every((item) => item === '*' || isOrigin(item)) ? items : wrong;
};

function isOrigin(item: string): boolean {
  const trimmed = item.replace(/\/$/, '');
  return URL.canParse(trimmed) && new URL(trimmed).origin === trimmed.toLowerCase();
}

/** Host names, `*.` for all names below one, each with a port where it is not the scheme's usual one. In lower case, as URLs have them. */
export const hostPatterns: ValueReader<readonly string[]> = (raw) => {
  const items = list(raw);
  const wrong = new Wrong(
    'host names such as api.example.com, *.example.com or 10.0.0.1:8080, separated by commas',
  );
  if (items instanceof Wrong) return wrong;
  const patterns = items.map(hostPattern);
  return patterns.every((pattern) => pattern !== null) ? patterns : wrong;
};

function hostPattern(item: string): string | null {
  const [, star = '', rest = ''] = /^(\*\.)?([^\s/?#@\\*]+)$/.exec(item) ?? [];
  // A scheme without a usual port, so that every port that is named stays.
  const text = `foo://${rest}`;
  if (rest === '' || /:$/.test(rest) || !URL.canParse(text)) return null;
  const { port } = new URL(text);
  const name = rest.replace(/:\d+$/, '');
  if (!URL.canParse(`https://${name}`)) return null;
  return `${star}${new URL(`https://${name}`).hostname}${port === '' ? '' : `:${port}`}`;
}
