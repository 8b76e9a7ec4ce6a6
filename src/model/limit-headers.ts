import type { RateLimitReport, RateLimitReport_Standing } from '../../gen/llmgateway/v1/rate_limit_pb.js';

/**
 * Tells how limits stand in headers, which on RPC are metadata: OpenAI's names, and `x-ratelimit-limit`, `-remaining` and `-reset` (in seconds since
 * 1970) for requests.
 * @param set sets one header; its name is in lower case
 */
export function tellLimits(
  report: RateLimitReport | undefined,
  set: (name: string, value: string) => void,
): void {
  if (report === undefined) return;
  const { requests, tokens } = report;
  if (requests !== undefined) {
    tellOne('requests', requests, set);
    set('x-ratelimit-limit', String(requests.limit));
    set('x-ratelimit-remaining', String(requests.remaining));
    set('x-ratelimit-reset', String(Math.ceil((Date.now() + Number(requests.resetMs)) / 1_000)));
  }
  if (tokens !== undefined) tellOne('tokens', tokens, set);
}

function tellOne(
  what: string,
  { limit, remaining, resetMs }: RateLimitReport_Standing,
  set: (name: string, value: string) => void,
): void {
  set(`x-ratelimit-limit-${what}`, String(limit));
  set(`x-ratelimit-remaining-${what}`, String(remaining));
  set(`x-ratelimit-reset-${what}`, shownTime(Number(resetMs)));
}

/** As OpenAI writes times: `20ms`, `1.5s`, `6m0s`, `1h0m0s`. */
export function shownTime(ms: number): string {
  if (ms > 0 && ms < 1_000) return `${ms}ms`;
  const seconds = `${(ms % 60_000) / 1_000}s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes === 0) return seconds;
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}

/** The same in Anthropic's names; times as in RFC 3339. */
export function tellLimitsAnthropic(
  report: RateLimitReport | undefined,
  set: (name: string, value: string) => void,
): void {
  for (const what of ['requests', 'tokens'] as const) {
    const standing = report?.[what];
    if (standing === undefined) continue;
    set(`anthropic-ratelimit-${what}-limit`, String(standing.limit));
    set(`anthropic-ratelimit-${what}-remaining`, String(standing.remaining));
    const reset = new Date(Date.now() + Number(standing.resetMs)).toISOString();
    set(`anthropic-ratelimit-${what}-reset`, `${reset.slice(0, 19)}Z`);
  }
}
