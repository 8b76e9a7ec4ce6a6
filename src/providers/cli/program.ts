import type { Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import type { CliDialect } from '../../cli-pool/dialect.ts';
import type { Json } from '../../codec/json.ts';
import type { StreamEvent } from '../../model/events.ts';
import type { ProviderCall } from '../provider.ts';

/** What an answer is told under. */
export interface AnswerNames {
  readonly provider: string;
  readonly id: string;
  readonly model: string;
  /** Unix seconds. */
  readonly createdAt: number;
}

/** Turns the frames of one turn into events of the model. */
export interface AnswerDecoder {
  /** @throws GatewayError when the turn has failed */
  push(frame: Json, out: StreamEvent[]): void;
  /** See EventStream. */
  usageSoFar?(): Usage | undefined;
}

/** A program that sessions are held with: how it is started, led, asked and understood. */
export interface CliProgram {
  /** What is run where the configuration names nothing else. */
  readonly command: string;
  /** Its arguments, but for the model's. */
  readonly args: readonly string[];
  /** Its name of the model that sessions are started with; '' for its own default. */
  readonly model: string;
  /** Set for it. */
  readonly env: Readonly<Record<string, string>>;
  /** Names that clients use, and the program's own. Others are its own. */
  readonly models: Readonly<Record<string, string>>;
  readonly dialect: CliDialect;
  /** @param model the program's name @param mark see the codecs. @throws GatewayError for what it cannot take */
  encode(call: ProviderCall, model: string, mark: () => string): string;
  decoder(names: AnswerNames): AnswerDecoder;
}
