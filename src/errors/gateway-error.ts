import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.js';
import type { UpstreamAttempt } from '../../gen/llmgateway/v1/attempt_pb.js';
import type { SensitivityReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { type ErrorDetail, ErrorDetailSchema, ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { RateLimitReport } from '../../gen/llmgateway/v1/rate_limit_pb.js';
import { reasonForms } from './reasons.ts';

/** Domain of the google.rpc.ErrorInfo that goes with every error. */
export const errorDomain = 'llmgateway.v1';

/** How much the gateway has to do, where that is why a call was refused. */
export interface LoadFacts {
  /** Resident memory and its bound, in MiB. */
  readonly memoryMb: number;
  readonly thresholdMb: number;
  readonly activeRequests: number;
  readonly maxConcurrent: number;
}

/** What is known of a failure besides its reason and message. See ErrorDetail for meanings and units. */
export interface ErrorFacts {
  readonly field?: string;
  readonly provider?: string;
  readonly upstreamStatus?: number;
  readonly upstreamCode?: string;
  readonly upstreamType?: string;
  readonly retryAfterMs?: number;
  readonly retryable?: boolean;
  /** All tries to get an answer. */
  readonly tries?: readonly UpstreamAttempt[];
  /** In how many of them a provider was asked. */
  readonly attempts?: number;
  /** No request went to the provider that it names, although the try was counted. */
  readonly unasked?: true;
  readonly load?: LoadFacts;
  readonly cause?: unknown;
}

/**
 * The one error class: thrown where a fault is found, turned into each face's form at the face. Its message is for the
 * client and never holds a secret.
 */
export class GatewayError extends ConnectError {
  readonly reason: ErrorReason;
  readonly facts: ErrorFacts;
  /** How the limits stand that the call fell under. */
  rateLimits?: RateLimitReport;
  /** How sensitive the call's texts are, where they were looked at. */
  sensitivity?: SensitivityReport;
  /** See afterCall. */
  afterCall?: boolean;

  // ConnectError recognises its like by name, across copies of the package, and subclasses would inherit that.
  static override [Symbol.hasInstance](value: unknown): boolean {
    return Function.prototype[Symbol.hasInstance].call(GatewayError, value);
  }

  constructor(reason: ErrorReason, message: string, facts: ErrorFacts = {}) {
    // Providers' words may hold halves of characters, which headers and UTF-8 cannot.
    super(message.toWellFormed(), codeOf(reason, facts), undefined, undefined, facts.cause);
    this.reason = reason;
    this.facts = facts;
  }

  /** The same failure in other words. */
  saying(message: string, facts: ErrorFacts = {}): GatewayError {
    const told = new GatewayError(this.reason, message, { ...this.facts, cause: this, ...facts });
    if (this.rateLimits !== undefined) told.rateLimits = this.rateLimits;
    if (this.sensitivity !== undefined) told.sensitivity = this.sensitivity;
    return told;
  }

  /** HTTP status on REST; a request that the provider rejected keeps the provider's status. */
  get status(): number {
    return isRejection(this.reason, this.facts)
      ? (this.facts.upstreamStatus ?? 400)
      : reasonForms[this.reason].status;
  }

  /** ErrorReason as a word, for logs and metrics: "upstream_timeout". */
  get reasonName(): string {
    return ErrorReason[this.reason].toLowerCase();
  }

  /** What is known of it, as the contract says it. */
  detail(requestId: string): ErrorDetail {
    const { reason, facts } = this;
    const detail = create(ErrorDetailSchema, {
      reason,
      field: facts.field ?? '',
      provider: facts.provider ?? '',
      upstreamStatus: facts.upstreamStatus ?? 0,
      upstreamCode: facts.upstreamCode ?? '',
      upstreamType: facts.upstreamType ?? '',
      requestId,
    });
    if (facts.retryAfterMs !== undefined) detail.retryAfterMs = facts.retryAfterMs;
    const retryable = facts.retryable ?? reasonForms[reason].retryable;
    if (retryable !== undefined) detail.retryable = retryable;
    if (facts.tries !== undefined) detail.tries = [...facts.tries];
    return detail;
  }

  /** Fills in the details that go with the error on RPC. */
  withDetails(requestId: string): this {
    const detail = this.detail(requestId);
    const standard = standardDetails(detail, this.rawMessage, this.facts.load);
    this.details = [{ desc: ErrorDetailSchema, value: detail }, ...standard];
    return this;
  }
}

const isRejection = (reason: ErrorReason, facts: ErrorFacts): boolean =>
  reason === ErrorReason.UPSTREAM_REJECTED &&
  facts.upstreamStatus !== undefined &&
  facts.upstreamStatus >= 400 &&
  facts.upstreamStatus < 500;

/** RPC codes of the statuses with which a provider rejects a request; INVALID_ARGUMENT otherwise. */
const rejectionCodes: Readonly<Record<number, Code>> = {
  404: Code.NotFound,
  409: Code.Aborted,
  413: Code.ResourceExhausted,
};

function codeOf(reason: ErrorReason, facts: ErrorFacts): Code {
  if (isRejection(reason, facts)) return rejectionCodes[facts.upstreamStatus ?? 0] ?? Code.InvalidArgument;
  return reasonForms[reason].code;
}

/** The load as members of an error's body. */
export const loadMembers = (load: LoadFacts): Record<string, string | number> => ({
  reason: 'backpressure',
  memory_mb: load.memoryMb,
  threshold_mb: load.thresholdMb,
  active_requests: load.activeRequests,
  max_concurrent: load.maxConcurrent,
});

function standardDetails(
  detail: ErrorDetail,
  message: string,
  load: LoadFacts | undefined,
): ConnectError['details'] {
  const metadata: Record<string, string> = { request_id: detail.requestId };
  if (load !== undefined) {
    for (const [name, value] of Object.entries(loadMembers(load))) metadata[name] = String(value);
  }
  if (detail.provider !== '') metadata['provider'] = detail.provider;
  const details: ConnectError['details'] = [
    {
      desc: ErrorInfoSchema,
      value: create(ErrorInfoSchema, { reason: ErrorReason[detail.reason], domain: errorDomain, metadata }),
    },
  ];
  if (detail.field !== '') {
    const fieldViolations = [{ field: detail.field, description: message }];
    details.push({ desc: BadRequestSchema, value: create(BadRequestSchema, { fieldViolations }) });
  }
  if (detail.retryAfterMs !== undefined) {
    const seconds = Math.floor(detail.retryAfterMs / 1000);
    const nanos = (detail.retryAfterMs % 1000) * 1_000_000;
    const retryDelay = { seconds: BigInt(seconds), nanos };
    details.push({ desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay }) });
  }
  return details;
}

/** Whether somebody's time is up: what a call's signal aborts with then. */
export const isLate = (reason: unknown): reason is GatewayError =>
  reason instanceof GatewayError && reason.reason === ErrorReason.DEADLINE_EXCEEDED;

/** A field of the request is missing, malformed or out of bounds. */
export const invalidRequest = (field: string, message: string): GatewayError =>
  new GatewayError(ErrorReason.INVALID_REQUEST, message, { field });

/** A field of the request is in order, but the provider or the model cannot take it. */
export const unsupportedParameter = (field: string, message: string): GatewayError =>
  new GatewayError(ErrorReason.UNSUPPORTED_PARAMETER, message, { field });

/** Reasons of errors that Connect's own code throws, and of timeouts and aborts that reach us as such. */
const reasonsByCode: Partial<Record<Code, ErrorReason>> = {
  [Code.Canceled]: ErrorReason.CANCELLED,
  [Code.InvalidArgument]: ErrorReason.INVALID_REQUEST,
  [Code.DeadlineExceeded]: ErrorReason.DEADLINE_EXCEEDED,
  [Code.NotFound]: ErrorReason.NOT_FOUND,
  [Code.PermissionDenied]: ErrorReason.PERMISSION_DENIED,
  [Code.ResourceExhausted]: ErrorReason.REQUEST_TOO_LARGE,
  [Code.Unimplemented]: ErrorReason.UNIMPLEMENTED,
  [Code.Unavailable]: ErrorReason.OVERLOADED,
  [Code.Unauthenticated]: ErrorReason.UNAUTHENTICATED,
};

/**
 * Any thrown value as a GatewayError. What is not one already is a fault of the gateway: its own message stays out of the
 * client's sight, in `cause`, for the log.
 */
export function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  if (error instanceof ConnectError) {
    const reason = reasonsByCode[error.code];
    if (reason !== undefined) return new GatewayError(reason, error.rawMessage, { cause: error });
  }
  return new GatewayError(ErrorReason.INTERNAL, 'internal error', { cause: error });
}

/**
 * Any thrown value as a GatewayError of what comes after a call: the call is over, or made elsewhere. The audit trail has a line of it, or gets one,
 * and is not to get another.
 */
export function afterCall(cause: unknown): GatewayError {
  const error = toGatewayError(cause);
  error.afterCall = true;
  return error;
}
