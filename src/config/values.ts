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

export const text: ValueReader<string> = (raw) => {
  if (typeof raw === 'string') return raw;
  return typeof raw === 'number' ? String(raw) : new Wrong('text');
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
    const value = typeof raw === 'string' && raw.trim() !== '' ? Number(raw) : raw;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    return new Wrong(`a whole number from ${least} to ${most}`);
  };
}

export function oneOf<const T extends string>(
  allowed: readonly T[],
  aliases: Record<string, T> = {},
): ValueReader<T> {
  return (raw) => {
    const word = typeof raw === 'string' ? raw.trim().toLowerCase() : '';
    return (
      allowed.find((known) => known.toLowerCase() === word) ??
      aliases[word] ??
      new Wrong(`one of ${allowed.join(', ')}`)
    );
  };
}

/** A list, or text separated by commas. */
export const list: ValueReader<readonly string[]> = (raw) => {
  if (typeof raw === 'string')
    return raw
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  if (Array.isArray(raw) && raw.every((item) => typeof item === 'string')) return raw as string[];
  return new Wrong('a list of texts, or one text separated by commas');
};

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A time in milliseconds, written as seconds or with a unit: 10, 2.5, "150ms", "10s", "5m". */
export function duration(leastMs: number, mostMs: number): ValueReader<number> {
  return (raw) => {
    const [, number, unit] = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h)?\s*$/.exec(String(raw)) ?? [];
    const ms = number === undefined ? Number.NaN : Math.round(Number(number) * (units[unit ?? 's'] ?? 1));
    if (ms >= leastMs && ms <= mostMs) return ms;
    return new Wrong(`a time from ${leastMs}ms to ${mostMs}ms, in seconds or with a unit (150ms, 10s, 5m)`);
  };
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
  return (raw) => {
    const [, number, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(String(raw)) ?? [];
    const size = Math.round(Number(number) * (sizes[unit?.toLowerCase() ?? ''] ?? Number.NaN));
    if (size >= least && size <= most) return size;
    return new Wrong(`a size from ${least} to ${most} bytes, with a unit or without (32MiB, 10MB)`);
  };
}

/** An http(s) address without query; a slash at its end is cut off. */
export const address: ValueReader<string> = (raw) => {
  const allowed = new Wrong('an http or https URL without query or credentials');
  if (typeof raw !== 'string' || !URL.canParse(raw)) return allowed;
  const { protocol, search, hash, username, password } = new URL(raw);
  const plain = search === '' && hash === '' && username === '' && password === '';
  return plain && (protocol === 'http:' || protocol === 'https:') ? raw.replace(/\/+$/, '') : allowed;
};
