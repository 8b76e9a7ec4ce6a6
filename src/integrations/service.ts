/** A call to one of the services that belong to the platform. */
export interface ServiceRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path below the service's address, with query. Begins with "/". */
  readonly path: string;
  /** Body, as JSON text. */
  readonly json?: string;
  /** Headers besides those that every call has. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest wait in milliseconds. Default: the service's. */
  readonly timeoutMs?: number;
  /** Name of the breaker that the call counts for; null for none. Default: the service's name. */
  readonly breaker?: string | null;
  /** Id of the client's request, sent as `x-request-id`. */
  readonly requestId: string;
  /** W3C trace context of the client's request, handed on as it came. */
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly signal: AbortSignal;
}

/** What a service answered: any status below 400. */
export interface ServiceAnswer {
  readonly status: number;
  /** The body, unchanged. */
  readonly text: string;
}

/** Why a service gave no answer. */
export type ServiceFailure =
  /** Too many calls failed: it is not asked for a while. */
  | 'circuit_open'
  | 'timeout'
  /** It answered with an error status. */
  | 'status'
  /** No connection, or one that broke. */
  | 'unavailable'
  /** The answer is larger than it may be. */
  | 'too_large';

/** A failure of a service. Its message has no secret and no address in it. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly kind: ServiceFailure;
  /** HTTP status, with `kind` "status"; else 0. */
  readonly status: number;
  /** The body of an answer with an error status, at most some KiB. */
  readonly body: string;
  /** The service may have got the whole request, and have done what it says. */
  readonly sent: boolean;
  /** The cause in a few words, without the service's name: "connection refused". */
  readonly reason: string;

  constructor(
    kind: ServiceFailure,
    message: string,
    { status = 0, body = '', reason = message, sent = true } = {},
  ) {
    super(message);
    this.kind = kind;
    this.status = status;
    this.body = body;
    this.reason = reason;
    this.sent = sent;
  }
}

/** One of the services, behind timeout and breaker. */
export interface Service {
  readonly name: string;
  /** The default of `ServiceRequest.timeoutMs`. */
  readonly timeoutMs: number;
  /** @throws ServiceError, or what `signal` aborts with */
  call(request: ServiceRequest): Promise<ServiceAnswer>;
}
