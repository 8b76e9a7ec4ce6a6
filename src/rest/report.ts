import type { CallReport, Warning } from '../../gen/llmgateway/v1/completion_pb.js';
import { tellLimits } from '../model/limit-headers.ts';
import { tellSensitivity } from '../model/sensitivity-header.ts';
import { tellContext } from '../rpc/context-metadata.ts';

/** Names of models may be any text; a header may not. */
const headerText = (text: string): string =>
  /^[\x20-\x7e]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());

/** What the client is told of its texts. */
export function sensitivityHeaders(report: CallReport): Record<string, string> {
  const headers: Record<string, string> = {};
  tellSensitivity(report.sensitivity, (name, value) => {
    headers[name] = value;
  });
  return headers;
}

/**
 * What the client is told of a call's way in headers.
 * @param unsaid what else went otherwise than asked: what of the answer the face leaves out
 * @param whole the answer is there; what a streamed one costs is not known when its head is sent
 */
export function reportHeaders(
  report: CallReport | undefined,
  unsaid: readonly Warning[] = [],
  whole = true,
): Record<string, string> {
  if (report === undefined) return {};
  const headers: Record<string, string> = {};
  if (report.provider !== '') headers['x-provider-used'] = report.provider;
  if (report.model !== '') headers['x-model-used'] = headerText(report.model);
  if (report.attempts > 0) headers['x-attempts'] = String(report.attempts);
  if (report.droppedParams.length > 0) headers['x-dropped-params'] = report.droppedParams.join(', ');
  if (report.warnings.length + unsaid.length > 0) {
    const codes = new Set([...report.warnings, ...unsaid].map(({ code }) => code));
    headers['x-warnings'] = [...codes].join(', ');
  }
  if (whole && report.costUsd !== '') headers['x-cost-usd'] = report.costUsd;
  if (report.cache !== '') headers['x-cache'] = report.cache.toUpperCase();
  if (report.cache === 'hit') headers['age'] = String(report.cacheAgeSeconds);
  tellContext(report, (name, value) => {
    headers[name] = value;
  });
  tellSensitivity(report.sensitivity, (name, value) => {
    headers[name] = value;
  });
  tellLimits(report.rateLimits, (name, value) => {
    headers[name] = value;
  });
  return headers;
}
