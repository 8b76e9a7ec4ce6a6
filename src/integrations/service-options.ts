import type { Config } from '../config/load.ts';
import type { HttpServiceOptions } from './http-service.ts';

/** What all services have in common. */
export const serviceOptions = (
  config: Config,
): Pick<HttpServiceOptions, 'maxAnswerBytes' | 'breaker' | 'userAgent'> => ({
  maxAnswerBytes: config.serviceMaxAnswerBytes,
  breaker: { failures: config.breakerFailures, recoveryMs: config.breakerRecoveryMs },
  // The version is the operator's word, and may have in it what a header cannot.
  userAgent: `llm-gateway/${config.version.replace(/[^\w.+~-]/g, '-')}`,
});
