import type { CallReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { formatUsd, type Pico, parseUsd } from './money.ts';

/** Adds what one answer costs to what the call's client is told. @param pico null when it is not known */
export function addCost(report: CallReport, pico: Pico | null, estimated: boolean): void {
  if (estimated) report.costEstimated = true;
  if (pico === null) report.costIncomplete = true;
  else report.costUsd = formatUsd(report.costUsd === '' ? pico : (parseUsd(report.costUsd) ?? 0n) + pico);
}
