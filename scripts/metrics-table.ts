// Writes the table of metrics in docs/operations.md; with --check compares it.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { loadConfig } from '../src/config/load.ts';
import { createGateway } from '../src/context.ts';
import { createLogger } from '../src/observability/log.ts';
import { root } from './lib/run.ts';

/** All metrics of a gateway but for the process's, as a Markdown table. */
export async function metricsTable(): Promise<string> {
  const config = loadConfig({ env: {}, cwd: root });
  const gateway = createGateway(config, createLogger({ service: '', level: 'ERROR', sink: () => {} }));
  const facts = gateway.metrics?.facts() ?? [];
  await gateway.close();
  const rows = facts.map(
    ({ name, type, labels, help }) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
  );
  return ['| metric | type | labels | what |', '|---|---|---|---|', ...rows].join('\n');
}

const begin = '<!-- metrics: made by scripts/metrics-table.ts -->';
const end = '<!-- end of metrics -->';

/** The page with its table made anew. */
export async function withMetrics(page: string): Promise<string> {
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from)
    throw new Error(`docs/operations.md has no place for the table: ${begin} … ${end}`);
  return `${page.slice(0, from)}${begin}\n\n${await metricsTable()}\n\n${page.slice(to)}`;
}

if (import.meta.main) {
  const file = path.join(root, 'docs/operations.md');
  const page = readFileSync(file, 'utf8');
  const made = await withMetrics(page);
  if (!process.argv.includes('--check')) writeFileSync(file, made);
  else if (made !== page) {
    console.error(
      'docs/operations.md: the table of metrics is out of date; run `npx node scripts/metrics-table.ts`',
    );
    process.exitCode = 1;
  }
  process.exit();
}
