import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError, invalidRequest } from '../errors/gateway-error.ts';

/** There is no such response, for whatever reason. @param field where the client named it */
export const responseNotFound = (id: string, field: string): GatewayError =>
  new GatewayError(ErrorReason.NOT_FOUND, `Response with id '${id.slice(0, 100)}' not found.`, { field });

/** A request goes on from a response that is not there. */
export const previousNotFound = (id: string, field: string): GatewayError =>
  new GatewayError(
    ErrorReason.PREVIOUS_RESPONSE_NOT_FOUND,
    `Previous response with id '${id.slice(0, 100)}' not found.`,
    { field },
  );

/** A response that was made in one piece has no events to tell. */
export const notStreamed = (field: string): GatewayError =>
  invalidRequest(
    field,
    'This response cannot be streamed because it was made with neither stream=true nor background=true.',
  );

/** A client wants to go on after an event that there is not. */
export const noSuchEvent = (number: number, last: number, field: string): GatewayError =>
  invalidRequest(field, `Invalid '${field}': the last event of this response is ${last}, not ${number}.`);

/** Whoever works at a response was not heard of for so long that another one does. */
export const takenOver = (id: string): GatewayError =>
  new GatewayError(
    ErrorReason.DEPENDENCY_UNAVAILABLE,
    `the response ${id} was taken over by another gateway`,
  );

export const previousNotOver = (id: string, field: string): GatewayError =>
  invalidRequest(field, `Response '${id}' is not over yet: nothing can go on from it.`);

export const conversationNotFound = (id: string, field: string): GatewayError =>
  new GatewayError(ErrorReason.NOT_FOUND, `Conversation with id '${id.slice(0, 100)}' not found.`, { field });

export const itemNotFound = (id: string, field: string): GatewayError =>
  new GatewayError(ErrorReason.NOT_FOUND, `Item with id '${id.slice(0, 100)}' not found.`, { field });

/** A response, or a conversation, has become larger than one may be. */
export const tooLarge = (what: string, maxBytes: number): GatewayError =>
  new GatewayError(ErrorReason.REQUEST_TOO_LARGE, `${what} is larger than ${maxBytes} bytes`);

/** The gateway that worked at a response was not heard of any more. */
export const abandoned = (): GatewayError =>
  new GatewayError(ErrorReason.INTERNAL, 'the gateway that worked at the response has stopped');
