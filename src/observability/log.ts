import { plainFields } from './plain.ts';
import { redactText } from './redact.ts';
import { fileSink, type LogSink } from './sink.ts';

export type Level = 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';

const order: Readonly<Record<Level, number>> = { DEBUG: 10, INFO: 20, WARN: 30, ERROR: 40 };

export type Fields = Readonly<Record<string, unknown>>;

/**
 * Writes one JSON object a line: timestamp, level, service, module, message, then the fields. A field cannot take the place of
 * those five. Fields are bounded, and secrets in them and in the message masked; see plain.ts and redact.ts. Never throws and
 * never waits.
 */
export interface Logger {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** Whether lines of this level are written; ask before making dear fields. */
  enabled(level: Level): boolean;
  /** The logger of another module, with the same fields. */
  module(name: string): Logger;
  /** The same logger with fields that go into each of its lines, such as `request_id` and `trace_id`. */
  child(fields: Fields): Logger;
}

export interface LogLevels {
  readonly level: Level;
  /** Levels of single modules. */
  readonly modules?: Readonly<Record<string, Level>>;
}

export interface LogOptions extends LogLevels {
  readonly service: string;
  /** What goes into every line. */
  readonly fields?: Fields;
  /** Takes a line with its newline. Default: standard output. */
  readonly sink?: (line: string) => void;
  /** Default: the system's clock. */
  readonly now?: () => Date;
}

/** The logger of module `main`, from which all others are made. */
export interface RootLogger extends Logger {
  /** Changes the levels of this logger and of all made from it. */
  setLevels(levels: LogLevels): void;
}

export function createLogger(options: LogOptions): RootLogger {
  const { service, level, modules = {}, now = () => new Date() } = options;
  const shared = { service, levels: { level, modules }, now, sink: options.sink ?? standardOutput(service) };
  return Object.assign(new JsonLogger(shared, 'main', options.fields ?? {}), {
    setLevels(levels: LogLevels) {
      shared.levels = { level: levels.level, modules: levels.modules ?? {} };
    },
  });
}

let output: LogSink | null = null;

/** One for the process, since all of them would write to the same place. */
function standardOutput(service: string): (line: string) => void {
  if (output === null) {
    const lostLine = (lost: number): string => {
      const message = 'log lines lost: nobody took them';
      const timestamp = new Date().toISOString();
      return `${JSON.stringify({ timestamp, level: 'WARN', service, module: 'log', message, lost })}\n`;
    };
    const sink = fileSink({ fd: 1, lostLine });
    process.once('exit', () => sink.flushSync());
    output = sink;
  }
  const { write } = output;
  return write.bind(output);
}

/** What the loggers of a process share. */
interface Shared {
  readonly service: string;
  levels: Required<LogLevels>;
  readonly now: () => Date;
  readonly sink: (line: string) => void;
}

const reserved: ReadonlySet<string> = new Set(['timestamp', 'level', 'service', 'module', 'message']);

class JsonLogger implements Logger {
  readonly #shared: Shared;
  readonly #module: string;
  readonly #bound: Fields;
  /** `#bound` as it is written; made when the first line is. */
  #plainBound: Fields | null = null;

  constructor(shared: Shared, module: string, bound: Fields) {
    this.#shared = shared;
    this.#module = module;
    this.#bound = bound;
  }

  debug(message: string, fields?: Fields): void {
    if (this.enabled('DEBUG')) this.#write('DEBUG', message, fields);
  }

  info(message: string, fields?: Fields): void {
    if (this.enabled('INFO')) this.#write('INFO', message, fields);
  }

  warn(message: string, fields?: Fields): void {
    if (this.enabled('WARN')) this.#write('WARN', message, fields);
  }

  error(message: string, fields?: Fields): void {
    if (this.enabled('ERROR')) this.#write('ERROR', message, fields);
  }

  enabled(level: Level): boolean {
    const { levels } = this.#shared;
    const least = Object.hasOwn(levels.modules, this.#module) ? levels.modules[this.#module] : levels.level;
    return order[level] >= order[least ?? levels.level];
  }

  module(name: string): Logger {
    return new JsonLogger(this.#shared, name, this.#bound);
  }

  child(fields: Fields): Logger {
    return new JsonLogger(this.#shared, this.#module, { ...this.#bound, ...fields });
  }

  #write(level: Level, message: string, fields: Fields | undefined): void {
    const { service, now, sink } = this.#shared;
    this.#plainBound ??= renamed(plainFields(this.#bound));
    const line = {
      timestamp: now().toISOString(),
      level,
      service,
      module: this.#module,
      message: redactText(message),
      ...this.#plainBound,
      ...(fields === undefined ? {} : renamed(plainFields(fields))),
    };
    sink(`${JSON.stringify(line)}\n`);
  }
}

/** Fields whose names the line itself has get an underscore. */
function renamed(fields: Fields): Fields {
  for (const name of Object.keys(fields)) {
    if (!reserved.has(name)) continue;
    return Object.fromEntries(
      Object.entries(fields).map(([key, value]) => [reserved.has(key) ? `${key}_` : key, value]),
    );
  }
  return fields;
}
