import { randomUUID } from 'node:crypto';

export const requestIdHeader = 'x-request-id';

/** An id for a request that came without one. */
export const newRequestId = (): string => `req_${randomUUID()}`;
