import { inspect } from 'node:util';
import { rememberSecret, secretName } from '../observability/redact.ts';

/** A value that no log, error or dump shows. Logs mask it even where others repeat it, such as a provider in its error. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
    rememberSecret(value);
  }

  /** The value itself, for the one place that sends it. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

/** Headers as they are sent; a dump shows only their names, since any of them may hold a key. */
export function secretHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const names = (): Record<string, string> =>
    Object.fromEntries(Object.keys(headers).map((name) => [name, '[secret]']));
  for (const [name, value] of Object.entries(headers)) {
    if (secretName(name) !== null) rememberSecret(value);
  }
  return Object.defineProperties(
    { ...headers },
    { toJSON: { value: names }, [inspect.custom]: { value: names } },
  );
}
