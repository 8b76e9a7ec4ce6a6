import type { OpaqueEvent } from '../../gen/llmgateway/v1/completion_pb.js';
import type { OpaqueReader, UnknownMembers } from '../model/assemble.ts';
import { dialectName as anthropic } from './anthropic-messages/dialect.ts';
import { unknownDeltas as ofAnthropic } from './anthropic-messages/unknown-deltas.ts';
import { dialectName as bedrock } from './bedrock-converse/dialect.ts';
import { unknownDeltas as ofBedrock } from './bedrock-converse/unknown-deltas.ts';
import { dialectName as ollama } from './ollama-chat/dialect.ts';
import { unknownDeltas as ofOllama } from './ollama-chat/unknown-deltas.ts';
import { dialectName as openai } from './openai-chat/dialect.ts';
import { unknownDeltas as ofOpenai } from './openai-chat/unknown-deltas.ts';

/** By dialect. Those of Gemini's are its candidates' own: of a part they are told at its beginning, and a message has none. */
const readers: ReadonlyMap<string, OpaqueReader> = new Map<string, OpaqueReader>([
  [anthropic, ofAnthropic],
  [bedrock, ofBedrock],
  [ollama, ofOllama],
  [openai, ofOpenai],
]);

/** The unknown members of a streamed answer's message that an opaque event of any dialect tells of. */
export const unknownMembers = (event: OpaqueEvent): readonly UnknownMembers[] =>
  readers.get(event.dialect)?.(event) ?? [];
