import type { SensitivityReport } from '../../gen/llmgateway/v1/completion_pb.js';

/**
 * Tells how sensitive a call's texts are in a header, which on RPC is metadata: `0.80;sensitive;mode=route;categories="authentication financial_data"`, a
 * structured field (RFC 9651). Nothing where they were not looked at.
 * @param set sets one header; its name is in lower case
 */
export function tellSensitivity(
  report: SensitivityReport | undefined,
  set: (name: string, value: string) => void,
): void {
  if (report === undefined) return;
  const { score, sensitive, mode, categories } = report;
  const kinds = categories.length === 0 ? '' : `;categories="${categories.join(' ')}"`;
  set('x-sensitivity', `${score.toFixed(2)}${sensitive ? ';sensitive' : ''};mode=${mode}${kinds}`);
}
