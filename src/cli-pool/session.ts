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
  /** Nobody waits for the rest of it. */
  readonly isLeaving: boolean;
  frame(frame: CliFrame, traits: FrameTraits): void;
  /** The session does not do what it is asked: answer as this model, or something else that came with the prompt. */
  refused(kind: 'model' | 'refused', error: string): void;
  /** The session is of no use any more, and the turn is not over. @param how without words of the program @param error for whoever asked */
  lost(kind: 'gone' | 'malformed', how: string, error: string): void;
}

export interface FrameTraits {
  /** It has content, or is the end. */
  readonly output: boolean;
  readonly last: boolean;
  /** Of its line, in characters. */
  readonly size: number;
}

/** What is asked in a turn. */
export interface CliPrompt {
  /** Lines, or the whole input of a session that takes one prompt. */
  readonly text: string;
  /** The program's name of the model. */
  readonly model: string;
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
  #turns = 0;
  /** The model that it has confirmed; null: none yet. */
  #model: string | null = null;
  /** What it was asked to answer as, and has not confirmed yet. */
  #setting: { readonly id: string; readonly model: string } | null = null;
  /** What is written once it has confirmed the model. */
  #withheld: string | null = null;
  #isReady = false;
  #over = false;

  constructor(command: CommandLine, dialect: CliDialect, model: string, listener: SessionListener) {
    this.#dialect = dialect;
    this.#listener = listener;
    this.process = new CliProcess(command, {
      output: (bytes) => this.#take(bytes),
      gone: (how, said) => this.#gone(how, said),
    });
    if (!this.probe(model)) {
      this.#settling = setTimeout(() => this.#ready(), dialect.settlesMs);
    }
  }

  /** Asks for a sign of life. @returns whether there is a way to */
  probe(model: string): boolean {
    const id = `probe_${++this.#asked}`;
    const line = this.#dialect.probe(id, model);
    if (line === null) return false;
    this.#setting = { id, model };
    this.process.write(`${line}\n`);
    return true;
  }

  /** Asks it, after it has confirmed the model: one that it does not know must not be another one's answer. */
  begin({ text, model }: CliPrompt, turn: TurnListener): void {
    if (this.#over) {
      const how = 'it ended before it was asked';
      turn.lost('gone', how, how);
      return;
    }
    this.#turn = turn;
    this.#turns++;
    // What it has complained of in an earlier turn is none of this one's.
    if (this.#turns > 1) this.process.forgetErrors();
    const id = `model_${++this.#asked}`;
    const line = this.#model === model ? null : this.#dialect.setModel(id, model);
    if (line === null) this.#write(text);
    else {
      this.#setting = { id, model };
      this.#withheld = text;
      this.process.write(`${line}\n`);
    }
  }

  #write(text: string): void {
    this.process.write(text);
    if (this.#dialect.oneShot) this.process.endInput();
  }

  /** The turn is over for whoever began it. */
  end(): void {
    this.#turn = null;
    this.#withheld = null;
  }

  /** Has it end its turn. @returns whether it will say so */
  interrupt(): boolean {
    const isAsked = this.#withheld === null;
    this.#withheld = null;
    const line = isAsked ? this.#dialect.interrupt(`interrupt_${++this.#asked}`) : null;
    if (line !== null) this.process.write(`${line}\n`);
    return line !== null;
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
      this.#act(read, line.length);
    }
  }

  #line(line: string): void {
    if (this.#over) return;
    const read = this.#read(line);
    if (read !== null) this.#act(read, line.length);
  }

  #act(read: CliLine, size: number): void {
    switch (read.kind) {
      case 'reply':
        this.#reply(read);
        return;
      case 'question':
        this.process.write(`${read.refusal}\n`);
        return;
      case 'frame':
        this.ownId ??= this.#dialect.sessionIdIn(read.json);
        this.#turn?.frame(read.json, { output: read.output, last: read.last, size });
        return;
      case 'note':
        this.ownId ??= this.#dialect.sessionIdIn(read.json);
        return;
      default:
    }
  }

  #reply({ id, error, unsettled }: CliLine & { kind: 'reply' }): void {
    const setting = this.#setting?.id === id ? this.#setting : null;
    if (setting !== null) {
      this.#setting = null;
      if (error === null) this.#model = setting.model;
    }
    if (id.startsWith('probe_')) {
      if (this.#isReady) this.#listener.pong();
      // What it says of its first probe is how it is.
      else if (error === null) this.#ready();
      else this.#listener.broken('spawn_failed', error);
    } else if (setting !== null && this.#withheld !== null) {
      const text = this.#withheld;
      if (error !== null) this.#turn?.refused(unsettled ? 'refused' : 'model', error);
      else {
        this.#withheld = null;
        this.#write(text);
      }
    } else if (error !== null && id.startsWith(this.#dialect.turnReplies) && this.#turns === 1) {
      // Later turns are for the same instructions, which a session may take only once.
      this.#turn?.refused('refused', error);
    }
  }

  #read(line: string): CliLine | null {
    try {
      return this.#dialect.read(line);
    } catch {
      // Before it was asked anything its words are its own, and tell what is wrong. Later ones may be those of an answer, also where an error quotes them.
      this.#break(this.#turns === 0 ? line.slice(0, maxQuoted) : 'a line that is no frame');
      return null;
    }
  }

  #break(error: string): void {
    this.#over = true;
    const what = `it wrote what is not understood (${error})`;
    const turn = this.#turn;
    this.#turn = null;
    const lose = (): void => turn?.lost('malformed', what, what);
    // One that nobody waits for any more ends as it was left, and not by a failure.
    const isLeaving = turn?.isLeaving === true;
    if (isLeaving) lose();
    this.#listener.broken('failed', what);
    if (!isLeaving) lose();
  }

  #gone(how: string, said: string): void {
    clearTimeout(this.#settling);
    this.#takeEnd();
    const turn = this.#over ? null : this.#turn;
    this.#over = true;
    this.#turn = null;
    const whole = said === '' ? how : `${how}: ${said}`;
    const lose = (): void => turn?.lost('gone', how, whole);
    const isLeaving = turn?.isLeaving === true;
    if (isLeaving) lose();
    // What it complains of after it was asked may be what it was asked, and is for whoever did so alone.
    this.#listener.gone(this.#turns === 0 ? whole : how);
    if (!isLeaving) lose();
  }
}
