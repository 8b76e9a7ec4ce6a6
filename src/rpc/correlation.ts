/** Header, and metadata, by which clients name a call. */
export const correlationHeader = 'x-correlation-id';

const plain = /^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/;

/** Whether it can be sent back in a header. */
export const isCorrelationId = (given: string): boolean => plain.test(given);

/**
 * The id of a call: the client's, or one of its time. What cannot be sent back in a header is as good as not there.
 * @param kind "gw", or the kind of query
 */
export const correlationId = (given: string | null | undefined, kind = 'gw'): string =>
  given && isCorrelationId(given) ? given : `${kind}-${Math.floor(Date.now() / 1_000)}`;
