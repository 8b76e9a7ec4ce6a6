/** What is kept of a call. Never a text of it. Numbers are left out where nothing is known. */
export interface AuditEntry {
  /** When it was over, as in RFC 3339. */
  readonly ts: string;
  /** `x-request-id`. */
  readonly request_id: string;
  readonly tenant: string;
  /** Id of the key, or subject of the token. */
  readonly principal: string;
  /** End user, as the client names it. */
  readonly user?: string;
  readonly session_id?: string;
  /** By which API it came; of what was refused before it was a call, the path. */
  readonly endpoint: string;
  /** `chat`, `embeddings`, `count_tokens`; `integration`, `workflow` of what goes to a service of the platform and to no model. */
  readonly kind?: string;
  /** That service, and what it is to do. */
  readonly service?: string;
  readonly operation?: string;
  readonly stream?: boolean;
  /** What was asked for, and where that would have led. */
  readonly model_requested?: string;
  readonly provider_requested?: string;
  /** What answered. */
  readonly provider?: string;
  readonly model?: string;
  readonly attempts?: number;
  /** See SensitivityReport. */
  readonly security_mode?: string;
  readonly sensitive?: boolean;
  readonly sensitivity_score?: number;
  readonly sensitivity_categories?: readonly string[];
  readonly cached?: boolean;
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number;
  readonly total_tokens?: number;
  /** Decimal number without rounding. */
  readonly cost_usd?: string;
  readonly latency_ms?: number;
  /** `success`, or the name of the reason. */
  readonly status: string;
}

/** What was found of a call's texts. */
export const sensitivityOf = (
  report: SensitivityFound | undefined,
): Pick<AuditEntry, 'security_mode' | 'sensitive' | 'sensitivity_score' | 'sensitivity_categories'> =>
  report === undefined
    ? {}
    : {
        security_mode: report.mode,
        sensitive: report.sensitive,
        sensitivity_score: report.score,
        sensitivity_categories: report.categories,
      };

interface SensitivityFound {
  readonly mode: string;
  readonly sensitive: boolean;
  readonly score: number;
  readonly categories: readonly string[];
}
