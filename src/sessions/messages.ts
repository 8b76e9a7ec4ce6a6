import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Message, MessageSchema } from '../../gen/llmgateway/v1/message_pb.js';

/** Messages as they are stored; those that are already are taken as they are. */
export const encodeMessages = (messages: readonly (Message | Uint8Array)[]): Uint8Array[] =>
  messages.map((message) => (message instanceof Uint8Array ? message : toBinary(MessageSchema, message)));

export const decodeMessages = (stored: readonly Uint8Array[]): Message[] =>
  stored.map((bytes) => fromBinary(MessageSchema, bytes));
