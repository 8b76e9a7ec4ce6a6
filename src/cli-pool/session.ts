import { NdjsonReader } from '../http/ndjson-reader.ts';
import type { CliDialect, CliFrame, CliLine } from './dialect.ts';
import { CliProcess, type CommandLine } from './process.ts';
import type { RestartReason } from './states.ts';

/** What a session tells of itself. */
export interface SessionListener {
  ready(): void;
  pong(): void;
  broken(why: RestartReason, error: string): void;
  gone(error: string): void;
}

/** What a turn makes of what comes. */
export interface TurnListener {
  frame(frame: CliFrame, output: boolean, last: boolean): void;
  /** The session is of no use any more, and the turn is not over. */
  lost(kind: 'gone' | 'malformed', error: string): void;
}

/** As much of a line that is not understood is told, in characters. */
const maxQuoted = 200;
/** Longest line of a program's output, in bytes. */
const maxLineBytes = 16 * 2 ** 20;

/** A process that is spoken to in lines: one turn at a time. */
export class CliSession {
  /** The program's own name of the session; null until it tells. */
  ownId: string | null = null;
  readonly process: CliProcess;
  readonly #dialect: CliDialect;
  readonly #listener: SessionListener;
  readonly #reader = new NdjsonReader(maxLineBytes);
  readonly #lines: string[] = [];
  #settling: NodeJS.Timeout | undefined;
  #turn: TurnListener | null = null;
  #asked = 0;
  #isReady = false;
  #isFresh = true;
  #over = false;

  constructor(command: CommandLine, dialect: CliDialect, model: string, listener: SessionListener) {
    this.#dialect = dialect;
    this.#listener = listener;
    this.process = new CliProcess(command, {
      output: (bytes) => this.#take(bytes),
      gone: (how) => this.#gone(how),
    });
    if (!this.probe(model)) {
      this.#settling = setTimeout(() => this.#ready(), dialect.settlesMs);
    }
  }

  /** Asks for a sign of life. @returns whether there is a way to */
  probe(model: string): boolean {
    const line = this.#dialect.probe(`probe_${++this.#asked}`, model);
    if (line !== null) this.process.write(`${line}\n`);
    return line !== null;
  }

  /** @param text lines, or the whole input of a session that takes one prompt */
  begin(text: string, turn: TurnListener): void {
    if (this.#over) {
      turn.lost('gone', 'it ended before it was asked');
      return;
    }
    this.#turn = turn;
    this.#isFresh = false;
    this.process.write(text);
    if (this.#dialect.oneShot) this.process.endInput();
  }

  /** The turn is over for whoever began it. */
  end(): void {
    this.#turn = null;
  }

  interrupt(): void {
    const line = this.#dialect.interrupt(`interrupt_${++this.#asked}`);
    if (line === null) this.stop();
    else this.process.write(`${line}\n`);
  }

  stop(): void {
    clearTimeout(this.#settling);
    this.process.stop();
  }

  #ready(): void {
    if (this.#isReady || this.#over) return;
    this.#isReady = true;
    this.#listener.ready();
  }

  #take(bytes: Buffer): void {
    if (this.#over) return;
    const lines = this.#lines;
    try {
      this.#reader.push(bytes, lines);
      for (const line of lines) this.#line(line);
    } catch (error) {
      this.#break(error instanceof Error ? error.message : String(error));
    } finally {
      lines.length = 0;
    }
  }

  /** What has no line end is the last line, or what was cut off of it. */
  #takeEnd(): void {
    if (this.#over) return;
    const lines: string[] = [];
    this.#reader.end(lines);
    for (const line of lines) {
      let read: CliLine;
      try {
        read = this.#dialect.read(line);
      } catch {
        return;
      }
      this.#act(read);
    }
  }

  #line(line: string): void {
    if (this.#over) return;
    const read = this.#read(line);
    if (read !== null) this.#act(read);
  }

  #act(read: CliLine): void {
    switch (read.kind) {
      case 'reply':
        if (!read.id.startsWith('probe_')) return;
        if (this.#isReady) this.#listener.pong();
        // What it says of its first probe is how it is.
        else if (read.error === null) this.#ready();
        else this.#listener.broken('spawn_failed', read.error);
        return;
      case 'question':
        this.process.write(`${read.refusal}\n`);
        return;
      case 'frame':
        this.ownId ??= this.#dialect.sessionIdIn(read.json);
        this.#turn?.frame(read.json, read.output, read.last);
        return;
      default:
    }
  }

  #read(line: string): CliLine | null {
    try {
      return this.#dialect.read(line);
    } catch {
      // Before it was asked anything its words are its own, and tell what is wrong. Later ones may be those of an answer, also where an error quotes them.
      this.#break(this.#isFresh ? line.slice(0, maxQuoted) : 'a line that is no frame');
      return null;
    }
  }

  #break(error: string): void {
    this.#over = true;
    const what = `it wrote what is not understood (${error})`;
    const turn = this.#turn;
    this.#turn = null;
    this.#listener.broken('failed', what);
    turn?.lost('malformed', what);
  }

  #gone(how: string): void {
    clearTimeout(this.#settling);
    this.#takeEnd();
    const turn = this.#over ? null : this.#turn;
    this.#over = true;
    this.#turn = null;
    this.#listener.gone(how);
    turn?.lost('gone', how);
  }
}
