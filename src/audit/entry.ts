import { redactText } from '../observability/redact.ts';

/** What is kept of a call. Never a text of it. Numbers are left out where nothing is known. */
export interface AuditEntry {
  /** When it was over, as in RFC 3339. */
  readonly ts: string;
  /** `x-request-id`. */
  readonly request_id: string;
  /** `X-Correlation-ID`: the client's, or of queries the one that they were given. */
  readonly correlation_id?: string;
  readonly tenant: string;
  /** Id of the key, or subject of the token. */
  readonly principal: string;
  /** End user, as the client names it. */
  readonly user?: string;
  readonly session_id?: string;
  /** By which API it came; of queries, integrations and what was refused before it was a call, the path. */
  readonly endpoint: string;
  /** `chat`, `embeddings`, `count_tokens`; `integration`, `workflow` of what goes to a service of the platform and to no model; `tool`. */
  readonly kind?: string;
  /** That service, and what it is to do. Of tools `tools`, and the name of one. */
  readonly service?: string;
  readonly operation?: string;
  readonly stream?: boolean;
  /** What was asked for, and where that would have led; of queries the provider as it was asked for, or `auto`. */
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
  /** Tokens of it were counted by the gateway, as those of answers that were cut off. */
  readonly cost_estimated?: true;
  readonly latency_ms?: number;
  /** `success`, or the name of the reason; `tool_failed` where that is all that a tool's answer says. */
  readonly status: string;
}

/** What clients name, which may be anything. */
const names = [
  'request_id',
  'correlation_id',
  'user',
  'session_id',
  'endpoint',
  'service',
  'operation',
  'model_requested',
  'provider_requested',
  'model',
] as const satisfies readonly (keyof AuditEntry)[];

/** An entry without the secrets that a client has put where a name belongs. */
export function withoutSecrets(entry: AuditEntry): AuditEntry {
  let clean: AuditEntry = entry;
  for (const name of names) {
    const given = entry[name];
    if (given === undefined) continue;
    const plain = redactText(given);
    if (plain !== given) clean = { ...clean, [name]: plain };
  }
  return clean;
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
