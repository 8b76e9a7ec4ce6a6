import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type Item,
  ItemSchema,
  type Response,
  type ResponseEvent,
  ResponseEventSchema,
  ResponseSchema,
} from '../../gen/llmgateway/v1/responses_service_pb.js';

// Responses, items and events as they are stored.

export const encodeItems = (items: readonly Item[]): Uint8Array[] =>
  items.map((item) => toBinary(ItemSchema, item));

export const decodeItems = (bytes: readonly Uint8Array[]): Item[] =>
  bytes.map((item) => fromBinary(ItemSchema, item));

export const encodeEvents = (events: readonly ResponseEvent[]): Uint8Array[] =>
  events.map((event) => toBinary(ResponseEventSchema, event));

export const decodeEvents = (bytes: readonly Uint8Array[]): ResponseEvent[] =>
  bytes.map((event) => fromBinary(ResponseEventSchema, event));

/** What was asked is stored without the input, which has a place of its own. */
export function encodeBody(response: Response): Uint8Array {
  const { parameters } = response;
  return toBinary(
    ResponseSchema,
    parameters === undefined ? response : { ...response, parameters: { ...parameters, input: [] } },
  );
}

export const decodeBody = (bytes: Uint8Array): Response => fromBinary(ResponseSchema, bytes);
