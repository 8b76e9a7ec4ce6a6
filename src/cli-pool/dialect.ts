/** A line of a program's output, as far as the pool needs to know it. */
export type CliLine =
  /** Answers a line that asked for something. `unsettled`: the error says nothing of what was asked for. */
  | {
      readonly kind: 'reply';
      readonly id: string;
      readonly error: string | null;
      readonly unsettled: boolean;
    }
  /** Asks for something, which is refused by this line. */
  | { readonly kind: 'question'; readonly refusal: string }
  /** Part of an answer. `output`: it has content, or is the end; `last`: the turn is over with it. */
  | { readonly kind: 'frame'; readonly json: CliFrame; readonly output: boolean; readonly last: boolean }
  /** Tells of the session, and is no part of an answer. There may be any number of them. */
  | { readonly kind: 'note'; readonly json: CliFrame }
  | { readonly kind: 'other' };

export type CliFrame = Readonly<Record<string, unknown>>;

/** How sessions with a program are led. Lines are without their ends. */
export interface CliDialect {
  readonly name: string;
  /** A session can answer as any model; otherwise as the one that it was started for. */
  readonly switchesModel: boolean;
  /** A session takes one prompt, and its input ends with it. */
  readonly oneShot: boolean;
  /** Asks for a sign of life, at the beginning and later on; null: there is no such line. */
  probe(id: string, model: string): string | null;
  /** Has a session answer as another model, which it confirms by a reply; null: there is no such line. */
  setModel(id: string, model: string): string | null;
  /** Without a probe: how long it has to live to be taken for ready, in milliseconds. */
  readonly settlesMs: number;
  /** Replies to what a prompt brings along have ids that begin so. A session that refuses it at its first turn has not taken the prompt as it is. */
  readonly turnReplies: string;
  /** Ends a turn before its end; null: only the end of the process does. */
  interrupt(id: string): string | null;
  /** Arguments of the program besides those of the configuration. */
  modelArguments(model: string): readonly string[];
  /** @throws when it is no line of the dialect's */
  read(line: string): CliLine;
  /** What the frame that ends a turn says of it. */
  endIn(frame: CliFrame): CliTurnEnd;
  /** The program's own name of the session, where the line tells it. */
  sessionIdIn(frame: CliFrame): string | null;
}

export interface CliTurnEnd {
  /** The turn has no answer, but says why. */
  readonly failed: boolean;
  /** Those that were read from a cache included. */
  readonly promptTokens: number;
  readonly completionTokens: number;
}
