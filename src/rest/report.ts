import type { CallReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { tellContext } from '../rpc/context-metadata.ts';

/** What the client is told of a call's way in headers. */
export function reportHeaders(report: CallReport | undefined): Record<string, string> {
  if (report === undefined) return {};
  const headers: Record<string, string> = {};
  if (report.provider !== '') headers['x-provider-used'] = report.provider;
  if (report.droppedParams.length > 0) headers['x-dropped-params'] = report.droppedParams.join(', ');
  if (report.warnings.length > 0) {
    headers['x-warnings'] = [...new Set(report.warnings.map(({ code }) => code))].join(', ');
  }
  tellContext(report, (name, value) => {
    headers[name] = value;
  });
  return headers;
}
