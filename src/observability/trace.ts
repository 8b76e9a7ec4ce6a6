/** A W3C trace context, handed on as it came. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

/** Version 00 has these four fields; later ones may have more after them (W3C Trace Context, 3.2). */
const parentForm =
  /^(?!ff)([\da-f]{2})-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(-[\x21-\x7e]{1,200})?$/;
const stateMember =
  /^(?:[a-z\d][a-z\d_\-*/]{0,255}|[a-z\d][a-z\d_\-*/]{0,240}@[a-z][a-z\d_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;
const maxStateMembers = 32;
/** Longest state that is handed on, in characters; 512 would have to be. */
const maxStateLength = 4_096;

/**
 * The trace context in a request's headers; undefined when there is none. What is not of the form that W3C gives is as good as not there: it
 * must not reach a service.
 */
export function readTrace(
  traceparent: string | null | undefined,
  tracestate?: string | null,
): TraceContext | undefined {
  if (!traceparent) return undefined;
  const parent = parentForm.exec(traceparent);
  if (parent === null || (parent[1] === '00' && parent[2] !== undefined)) return undefined;
  return isState(tracestate) ? { traceparent: parent[0], tracestate } : { traceparent: parent[0] };
}

function isState(state: string | null | undefined): state is string {
  if (state === null || state === undefined || state.length > maxStateLength) return false;
  // Empty members are allowed, and do not count.
  const members = state
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((member) => member !== '');
  return (
    members.length > 0 &&
    members.length <= maxStateMembers &&
    members.every((member) => stateMember.test(member))
  );
}

/** Ids of a trace and its span, for logs. */
export const idsOf = ({ traceparent }: TraceContext): { traceId: string; spanId: string } => ({
  traceId: traceparent.slice(3, 35),
  spanId: traceparent.slice(36, 52),
});
