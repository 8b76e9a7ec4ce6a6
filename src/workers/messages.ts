import type { Snapshot } from './snapshot.ts';

/** What the primary asks of a worker. */
export const fromPrimary = {
  /** Start → Listening or Refused: begin to serve. */
  start: 'start',
  /** Snapshot → string[]: read a configuration and say what is wrong with it. */
  prepare: 'prepare',
  /** Use what was read. */
  take: 'take',
  /** News: do not. */
  drop: 'drop',
  /** → Stopped: drain, then end. */
  drain: 'drain',
} as const;

/** What a worker tells the primary. */
export const toPrimary = { up: 'up' } as const;

export interface Start {
  readonly number: number;
  readonly size: number;
  readonly snapshot: Snapshot;
}

export interface Served {
  readonly host: string;
  readonly port: number;
}

export interface Refused {
  readonly mistakes: string[];
}

export type Listening = Served | Refused;

export interface Stopped {
  /** Calls that were cut off. */
  readonly destroyed: number;
}
