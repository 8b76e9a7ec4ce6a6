import type { ServiceError } from '../../integrations/service.ts';

/** What a service is called in the texts of its failures. */
export interface Wording {
  /** "… circuit open - failing fast". */
  readonly open: string;
  /** "… timeout after 30.0 seconds". */
  readonly timeout: string;
  /** "… error: HTTP 500". */
  readonly error: string;
  /** "… unavailable: connection refused". */
  readonly unavailable: string;
  /** The error's text goes on with what the service says of it. */
  readonly detailed?: boolean;
}

/** The same words for all failures. */
export const called = (words: string, detailed = false): Wording => ({
  open: words,
  timeout: words,
  error: words,
  unavailable: words,
  detailed,
});

/** Longest text of a service's that becomes a part of ours, in characters. */
const maxDetail = 500;

/** Says what went wrong in the documented words. */
export function failureText(wording: Wording, failure: ServiceError, timeoutMs: number): string {
  switch (failure.kind) {
    case 'circuit_open':
      return `${wording.open} circuit open - failing fast`;
    case 'timeout':
      return `${wording.timeout} timeout after ${seconds(timeoutMs)} seconds`;
    case 'status': {
      const detail = wording.detailed === true ? detailOf(failure.body) : '';
      return `${wording.error} error: HTTP ${failure.status}${detail === '' ? '' : ` - ${detail}`}`;
    }
    case 'too_large':
      return `${wording.error} error: ${failure.reason}`;
    default:
      return `${wording.unavailable} unavailable: ${failure.reason}`;
  }
}

/** With at least one decimal, as everywhere in texts of tools: "30.0". */
export const seconds = (ms: number): string =>
  Number.isInteger(ms / 1_000) ? `${ms / 1_000}.0` : String(ms / 1_000);

/** What a service says of an error: the member `detail` of its body, where there is one. */
export function detailOf(body: string): string {
  const text = (detailIn(body) ?? body).replace(/\s+/g, ' ').trim();
  return text.length > maxDetail ? `${text.slice(0, maxDetail)}…`.toWellFormed() : text;
}

function detailIn(body: string): string | null {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return null;
  }
  if (typeof json !== 'object' || json === null) return null;
  const { detail = null } = json as { detail?: unknown };
  if (detail === null) return null;
  return typeof detail === 'string' ? detail : JSON.stringify(detail);
}
