import { createLogger } from '../../src/observability/log.ts';
import { Admission, type AdmissionLimits } from '../../src/overload/admission.ts';
import type { Pressure } from '../../src/overload/memory.ts';

export const plenty: AdmissionLimits = {
  maxConcurrent: 1_000_000,
  maxWaiting: 0,
  maxWaitMs: 1_000,
  maxBodyBytes: Number.MAX_SAFE_INTEGER,
  warnAt: 1_000_000,
};

/** An admission with memory as the test says. */
export function testAdmission(given: Partial<AdmissionLimits> = {}) {
  const log: Record<string, unknown>[] = [];
  const memory = {
    pressure: 'normal' as Pressure,
    state: { rss: 300 * 2 ** 20, heapUsed: 0, heapLimit: 2 ** 32 },
    bounds: { hardBytes: 200 * 2 ** 20, softShare: 0.8 },
  };
  const limits = { ...plenty, ...given };
  const sink = (line: string) => void log.push(JSON.parse(line));
  const logger = createLogger({ service: 'test', level: 'DEBUG', sink });
  return { admission: new Admission({ limits: () => limits, memory, log: logger }), memory, limits, log };
}
