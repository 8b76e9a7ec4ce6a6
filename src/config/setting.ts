import { allowedBy, duration, shownTime, type ValueReader } from './values.ts';

/** One setting: where it is read from, what it may be, and what it means. The README's table is made of these. */
export interface Setting<T = unknown> {
  /** Place in the YAML file. */
  readonly path: string;
  /** Environment variables, the first one set wins. */
  readonly env: readonly string[];
  readonly read: ValueReader<T>;
  /** Value when it is set nowhere. */
  readonly fallback: T;
  /** Its default as the table shows it. */
  readonly shownDefault: string;
  /** What it may be, in words. */
  readonly allowed: string;
  /** What it means. */
  readonly doc: string;
  /** Its value is never shown, in errors neither. */
  readonly secret?: boolean;
  /** What of its value is read when the gateway starts and not again. Without it a reload takes the whole. */
  readonly atStart?: (value: T) => unknown;
}

/** @param env variables without their prefix */
export const setting = <T>(
  path: string,
  env: string | readonly string[],
  read: ValueReader<T>,
  fallback: T,
  doc: string,
  shownDefault = String(fallback ?? ''),
): Setting<T> => ({
  path,
  env: (typeof env === 'string' ? [env] : env).map(prefixed),
  read,
  fallback,
  doc,
  shownDefault,
  allowed: allowedBy(read),
});

/** A setting that has further variables: of the gateway before this one, or of programs beside it. */
export const alsoAs = <T>(made: Setting<T>, ...names: readonly string[]): Setting<T> => ({
  ...made,
  env: [...made.env, ...names],
});

const whole = (value: unknown): unknown => value;

/** A setting that a reload does not take, or some of it. @param part what of its value takes a restart; its doc has to tell of it */
export const atStart = <T>(made: Setting<T>, part?: (value: T) => unknown): Setting<T> => ({
  ...made,
  atStart: part ?? whole,
  doc: part === undefined ? `${made.doc}. Takes a restart` : made.doc,
});

/** A time limit; its variable says that it is in seconds. */
export const time = (
  path: string,
  env: string,
  range: readonly [number, number],
  fallbackMs: number,
  doc: string,
) => setting(path, `${env}_SECONDS`, duration(...range), fallbackMs, doc, shownTime(fallbackMs));

/** In milliseconds. */
export const hour = 3_600_000;
/** A variable of the gateway's own. */
export const prefixed = (name: string): string => `LLM_GATEWAY_${name}`;
