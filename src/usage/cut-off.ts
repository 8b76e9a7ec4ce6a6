import type { CallReport, Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import { sumUsage } from '../model/sum-usage.ts';

/** By the report, which all copies of a call share. */
const noted = new WeakMap<CallReport, Usage>();

/** Notes what an answer used that may have no last event to tell of it. Those of one call are added up. */
export function noteUsage(report: CallReport, usage: Usage): void {
  noted.set(report, sumUsage(noted.get(report), usage) as Usage);
}

/** What the answers of a call used that was cut off; undefined where nothing is known. */
export const notedUsage = (report: CallReport): Usage | undefined => noted.get(report);
