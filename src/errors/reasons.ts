import { Code } from '@connectrpc/connect';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';

/** How one reason looks on every face. */
export interface ReasonForm {
  /** Code on Connect, gRPC and gRPC-Web. */
  readonly code: Code;
  /** HTTP status on the REST facade. */
  readonly status: number;
  /** `error.type` of an OpenAI body. */
  readonly type: string;
  /** `error.code` of an OpenAI body; null where OpenAI has none. */
  readonly openaiCode: string | null;
  /** Sent as `x-should-retry` when set: the SDKs' rule by status would be wrong. */
  readonly retryable?: boolean;
}

const form = (
  code: Code,
  status: number,
  type: string,
  openaiCode: string | null,
  retryable?: boolean,
): ReasonForm => ({ code, status, type, openaiCode, ...(retryable === undefined ? {} : { retryable }) });

/**
 * The one table from reason to status and body: every face takes its form from here.
 *
 * A failure of a provider is never a 401, 403 or 500 of ours, and HTTP 499 is never seen by anyone but the log: its client
 * has left.
 */
export const reasonForms: Readonly<Record<ErrorReason, ReasonForm>> = {
  [ErrorReason.UNSPECIFIED]: form(Code.Internal, 500, 'server_error', null),
  [ErrorReason.INVALID_REQUEST]: form(Code.InvalidArgument, 400, 'invalid_request_error', null),
  [ErrorReason.UNSUPPORTED_PARAMETER]: form(
    Code.InvalidArgument,
    400,
    'invalid_request_error',
    'unsupported_parameter',
  ),
  [ErrorReason.MODEL_NOT_FOUND]: form(Code.NotFound, 404, 'invalid_request_error', 'model_not_found'),
  [ErrorReason.MODEL_NOT_SUPPORTED]: form(Code.NotFound, 404, 'invalid_request_error', 'model_not_supported'),
  [ErrorReason.PROVIDER_NOT_CONFIGURED]: form(
    Code.FailedPrecondition,
    400,
    'invalid_request_error',
    'provider_not_configured',
  ),
  [ErrorReason.NOT_FOUND]: form(Code.NotFound, 404, 'invalid_request_error', 'not_found'),
  [ErrorReason.METHOD_NOT_ALLOWED]: form(
    Code.Unimplemented,
    405,
    'invalid_request_error',
    'method_not_allowed',
  ),
  [ErrorReason.UNSUPPORTED_MEDIA_TYPE]: form(
    Code.InvalidArgument,
    415,
    'invalid_request_error',
    'unsupported_media_type',
  ),
  [ErrorReason.REQUEST_TOO_LARGE]: form(
    Code.ResourceExhausted,
    413,
    'invalid_request_error',
    'request_too_large',
    false,
  ),
  [ErrorReason.UNAUTHENTICATED]: form(Code.Unauthenticated, 401, 'authentication_error', 'invalid_api_key'),
  [ErrorReason.PERMISSION_DENIED]: form(Code.PermissionDenied, 403, 'permission_error', 'permission_denied'),
  [ErrorReason.RATE_LIMITED]: form(Code.ResourceExhausted, 429, 'rate_limit_error', 'rate_limit_exceeded'),
  [ErrorReason.BUDGET_EXHAUSTED]: form(
    Code.ResourceExhausted,
    429,
    'insufficient_quota',
    'insufficient_quota',
    false,
  ),
  [ErrorReason.OVERLOADED]: form(Code.Unavailable, 503, 'server_error', 'overloaded'),
  [ErrorReason.DRAINING]: form(Code.Unavailable, 503, 'server_error', 'draining'),
  [ErrorReason.DEADLINE_EXCEEDED]: form(
    Code.DeadlineExceeded,
    504,
    'timeout_error',
    'deadline_exceeded',
    false,
  ),
  [ErrorReason.CANCELLED]: form(Code.Canceled, 499, 'invalid_request_error', 'cancelled', false),
  [ErrorReason.UPSTREAM_UNREACHABLE]: form(Code.Unavailable, 502, 'provider_error', 'upstream_unreachable'),
  [ErrorReason.UPSTREAM_TIMEOUT]: form(Code.DeadlineExceeded, 504, 'provider_error', 'upstream_timeout'),
  [ErrorReason.UPSTREAM_RATE_LIMITED]: form(
    Code.ResourceExhausted,
    429,
    'rate_limit_error',
    'upstream_rate_limited',
  ),
  [ErrorReason.UPSTREAM_AUTH]: form(Code.Unavailable, 502, 'provider_error', 'upstream_auth', false),
  [ErrorReason.UPSTREAM_REJECTED]: form(Code.InvalidArgument, 400, 'invalid_request_error', null),
  [ErrorReason.UPSTREAM_FAILED]: form(Code.Unavailable, 502, 'provider_error', 'upstream_failed'),
  [ErrorReason.UPSTREAM_OVERLOADED]: form(Code.Unavailable, 503, 'provider_error', 'upstream_overloaded'),
  [ErrorReason.UPSTREAM_INVALID]: form(Code.Unavailable, 502, 'provider_error', 'upstream_invalid'),
  [ErrorReason.UPSTREAM_INTERRUPTED]: form(Code.Unavailable, 502, 'provider_error', 'upstream_interrupted'),
  [ErrorReason.CONTENT_FILTERED]: form(Code.InvalidArgument, 400, 'invalid_request_error', 'content_filter'),
  [ErrorReason.DEPENDENCY_UNAVAILABLE]: form(Code.Unavailable, 503, 'server_error', 'dependency_unavailable'),
  [ErrorReason.INTERNAL]: form(Code.Internal, 500, 'server_error', null),
  [ErrorReason.SESSION_BUSY]: form(Code.Aborted, 409, 'invalid_request_error', 'session_busy'),
  [ErrorReason.PREVIOUS_RESPONSE_NOT_FOUND]: form(
    Code.NotFound,
    400,
    'invalid_request_error',
    'previous_response_not_found',
  ),
  [ErrorReason.TOOL_ARGUMENTS_INVALID]: form(
    Code.InvalidArgument,
    422,
    'invalid_request_error',
    'tool_arguments_invalid',
  ),
  [ErrorReason.NO_PROVIDER_AVAILABLE]: form(Code.Unavailable, 503, 'server_error', 'no_provider_available'),
  [ErrorReason.ALREADY_EXISTS]: form(
    Code.AlreadyExists,
    409,
    'invalid_request_error',
    'already_exists',
    false,
  ),
  [ErrorReason.TOOL_NOT_REMOVABLE]: form(
    Code.FailedPrecondition,
    409,
    'invalid_request_error',
    'tool_not_removable',
    false,
  ),
  [ErrorReason.SENSITIVE_TEXT]: form(
    Code.FailedPrecondition,
    400,
    'invalid_request_error',
    'sensitive_text',
    false,
  ),
  [ErrorReason.NO_SECURE_PROVIDER]: form(Code.Unavailable, 503, 'server_error', 'no_secure_provider', false),
  [ErrorReason.UNIMPLEMENTED]: form(Code.Unimplemented, 404, 'invalid_request_error', 'unimplemented'),
};
