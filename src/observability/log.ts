import { redact, redactText } from './redact.ts';

export type Level = 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';

const order: Readonly<Record<Level, number>> = { DEBUG: 10, INFO: 20, WARN: 30, ERROR: 40 };

export type Fields = Readonly<Record<string, unknown>>;

/** Writes one JSON object a line. Fields are redacted and bounded; see redact.ts. */
export interface Logger {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** Whether lines of this level are written; ask before making dear fields. */
  enabled(level: Level): boolean;
  /** The logger of another module. */
  module(name: string): Logger;
}

export interface LogOptions {
  readonly service: string;
  readonly level: Level;
  /** Levels of single modules. */
  readonly modules?: Readonly<Record<string, Level>>;
  /** Takes a line with its newline. Default: standard output. */
  readonly sink?: (line: string) => void;
  /** Default: the system's clock. */
  readonly now?: () => Date;
}

/** The logger of module `main`. */
export function createLogger(options: LogOptions): Logger {
  return new JsonLogger(options, 'main');
}

/** A closed reader of the log must not end the gateway. */
function standardOutput(line: string): void {
  process.stdout.write(line, () => {});
}
process.stdout.on('error', () => {});

class JsonLogger implements Logger {
  readonly #options: LogOptions;
  readonly #module: string;
  readonly #least: number;

  constructor(options: LogOptions, module: string) {
    this.#options = options;
    this.#module = module;
    this.#least = order[options.modules?.[module] ?? options.level];
  }

  debug(message: string, fields?: Fields): void {
    this.#write('DEBUG', message, fields);
  }

  info(message: string, fields?: Fields): void {
    this.#write('INFO', message, fields);
  }

  warn(message: string, fields?: Fields): void {
    this.#write('WARN', message, fields);
  }

  error(message: string, fields?: Fields): void {
    this.#write('ERROR', message, fields);
  }

  enabled(level: Level): boolean {
    return order[level] >= this.#least;
  }

  module(name: string): Logger {
    return new JsonLogger(this.#options, name);
  }

  #write(level: Level, message: string, fields: Fields | undefined): void {
    if (order[level] < this.#least) return;
    const { service, sink = standardOutput, now } = this.#options;
    const line = {
      timestamp: (now?.() ?? new Date()).toISOString(),
      level,
      service,
      module: this.#module,
      message: redactText(message),
      ...(fields === undefined ? {} : (redact(fields) as Record<string, unknown>)),
    };
    sink(`${JSON.stringify(line)}\n`);
  }
}
