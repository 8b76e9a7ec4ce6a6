// Writes a trace down as text, for docs/operations.md; its test makes the trace. TRACE_UPDATE=1 has the test write the page anew.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './lib/run.ts';

/** What of a span is told. */
export interface ShownSpan {
  readonly spanId: string;
  readonly parent: string;
  readonly name: string;
  readonly kind: number;
  readonly status: number;
  readonly start: bigint;
  readonly events: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
}

const kinds = ['', 'INTERNAL', 'SERVER', 'CLIENT'];
const told = [
  'http.response.status_code',
  'gen_ai.provider.name',
  'gen_ai.request.model',
  'gen_ai.response.finish_reasons',
  'gen_ai.usage.input_tokens',
  'gen_ai.usage.output_tokens',
  'gen_ai.tool.name',
  'llm_gateway.attempt',
  'llm_gateway.attempts',
  'llm_gateway.tool_rounds',
  'error.type',
];

/** The spans of one trace as a tree, in the order of their beginnings, without what differs from run to run. */
export function traceText(spans: readonly ShownSpan[]): string {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const lines: string[] = [];
  const add = (span: ShownSpan, depth: number): void => {
    const { name, kind, status, attributes, spanId } = span;
    const facts = told.flatMap((key) => {
      const value = attributes[key];
      return value === undefined ? [] : [`${key}=${Array.isArray(value) ? value.join(',') : String(value)}`];
    });
    const indent = '  '.repeat(depth);
    lines.push(`${indent}${name}  ${kinds[kind]}${status === 2 ? '  ERROR' : ''}`);
    if (facts.length > 0) lines.push(`${indent}    ${facts.join(' ')}`);
    for (const child of spans.filter(({ parent }) => parent === spanId).sort(byStart)) add(child, depth + 1);
  };
  for (const top of spans.filter(({ parent }) => !ids.has(parent)).sort(byStart)) add(top, 0);
  return lines.join('\n');
}

const byStart = (a: ShownSpan, b: ShownSpan): number => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0);

const begin = '<!-- trace: made by tests/e2e/traces.test.ts -->';
const end = '<!-- end of trace -->';

/** The page with the trace made anew. */
export function withTrace(page: string, spans: readonly ShownSpan[]): string {
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from)
    throw new Error(`docs/operations.md has no place for the trace: ${begin} … ${end}`);
  const made = `${page.slice(0, from)}${begin}\n\n\`\`\`text\n${traceText(spans)}\n\`\`\`\n\n${page.slice(to)}`;
  if (process.env['TRACE_UPDATE'] === '1') writeFileSync(path.join(root, 'docs/operations.md'), made);
  return made;
}
