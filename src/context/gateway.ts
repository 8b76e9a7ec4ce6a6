import type { Authenticate } from '../auth/authenticator.ts';
import type { Config } from '../config/load.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Port } from '../server/port.ts';
import type { Tool } from '../tools/tool.ts';
import type { Toolbox } from '../tools/toolbox.ts';
import type { Crew } from '../workers/crew.ts';

/** The gateway, ready to listen. */
export interface Gateway {
  readonly port: Port;
  readonly config: Config;
  /** What is counted; null when nothing is. */
  readonly metrics: Metrics | null;
  /** Takes a new configuration for all calls from now on. What the port was made with stays. */
  reload(config: Config): void;
  /** Reads a new configuration without using it yet. @throws ConfigError when it is wrong; nothing has changed then */
  prepare(config: Config, readFile?: ReadFile): Prepared;
  /** Refuses new calls, lets the others end within the drain timeout, then closes everything. */
  drain(): Promise<{ destroyed: number }>;
  /** Cuts everything off. */
  close(): Promise<void>;
}

/** A configuration that is known to be right. */
export interface Prepared {
  /** Uses it for all calls from now on. */
  take(): void;
  /** Forgets it. */
  drop(): void;
}

export type ReadFile = (file: string) => string;

/** What whoever embeds the gateway brings along. */
export interface OwnParts {
  /** Built-in tools besides the gateway's. */
  readonly tools?: readonly Tool[];
  /** All tools, instead of the gateway's. */
  readonly toolbox?: Toolbox;
  /** Tells clients apart, instead of the gateway's keys. */
  readonly authenticate?: Authenticate;
  /** Whom this process serves together with. Default: nobody. */
  readonly crew?: Crew;
  /** Reads the files that the configuration names. Default: from the disk. */
  readonly readFile?: ReadFile;
}
