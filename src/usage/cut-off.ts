import type { CallReport, Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import { sumUsage } from '../model/sum-usage.ts';

/** On the report, which all copies of a call share, also where attempts side by side have a part of it for themselves. */
const noted = Symbol('usage');

type Noting = CallReport & { [noted]?: Usage };

/** Notes what an answer used that may have no last event to tell of it. Those of one call are added up. */
export function noteUsage(report: CallReport, usage: Usage): void {
  const value = sumUsage((report as Noting)[noted], usage);
  Object.defineProperty(report, noted, { value, configurable: true });
}

/** What the answers of a call used that was cut off; undefined where nothing is known. */
export const notedUsage = (report: CallReport): Usage | undefined => (report as Noting)[noted];
