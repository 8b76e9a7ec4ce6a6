import { type Service, ServiceError } from '../integrations/service.ts';
import { Availability } from './availability.ts';
import { type Processed, readProcessed } from './processed.ts';

/** A text to make shorter. */
export interface ProcessRequest {
  readonly text: string;
  /** Model that is going to read it, as the client names it. */
  readonly model: string;
  /** Id of the conversation that it belongs to; '' for none. */
  readonly conversationId: string;
  readonly requestId: string;
  readonly signal: AbortSignal;
}

/** The context management service. */
export interface Cms {
  /** Whether it is there. @throws what `signal` aborts with */
  available(requestId: string, signal: AbortSignal): Promise<boolean>;
  /** @throws CmsError, or what `signal` aborts with */
  process(request: ProcessRequest): Promise<Processed>;
}

/** The service did not process a text. Its message has no secret and no address in it. */
export class CmsError extends Error {
  override readonly name = 'CmsError';
}

/** @param now see Availability */
export function createCms(service: Service, now?: () => number): Cms {
  const availability = new Availability(service, now);
  return {
    available: (requestId, signal) => availability.check(requestId, signal),
    async process({ text, model, conversationId, requestId, signal }) {
      const conversation = conversationId === '' ? {} : { conversation_id: conversationId };
      const json = JSON.stringify({ text, model, ...conversation });
      let answer: string;
      try {
        const path = '/v1/context/process';
        ({ text: answer } = await service.call({ method: 'POST', path, json, requestId, signal }));
      } catch (cause) {
        if (!(cause instanceof ServiceError)) throw cause;
        throw new CmsError(reasonOf(cause), { cause });
      }
      const processed = readProcessed(answer);
      if (processed === null) throw new CmsError('its answer cannot be understood');
      return processed;
    },
  };
}

function reasonOf({ kind, status }: ServiceError): string {
  switch (kind) {
    case 'status':
      return `it answers with status ${status}`;
    case 'timeout':
      return 'it takes too long';
    case 'too_large':
      return 'its answer is too large';
    case 'circuit_open':
    case 'unavailable':
      return 'it does not answer';
  }
}
