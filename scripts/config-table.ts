// Prints the README's configuration table from the table of settings; with --check compares it with the README.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describeSettings } from '../src/config/describe.ts';
import { root } from './lib/run.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (text: string): string => (text === '' || text.includes('`') ? text : `\`${text}\``);

/** All settings as a Markdown table. */
export function configTables(): string {
  const rows = describeSettings().map(({ env, yaml, fallback, allowed, doc }) => {
    const variables = env.map((name) => `\`${name}\``).join(' ');
    return `| ${variables} | ${yaml === null ? '' : `\`${yaml}\``} | ${cell(code(fallback))} | ${cell(allowed)} | ${cell(doc)} |`;
  });
  return ['| variable | in the file | default | allowed | meaning |', '|---|---|---|---|---|', ...rows].join(
    '\n',
  );
}

const begin = '<!-- settings: made by scripts/config-table.ts -->';
const end = '<!-- end of settings -->';

/** The README with its table made anew. */
export function withTable(readme: string): string {
  const from = readme.indexOf(begin);
  const to = readme.indexOf(end);
  if (from < 0 || to < from) throw new Error(`README.md has no place for the table: ${begin} … ${end}`);
  return `${readme.slice(0, from)}${begin}\n\n${configTables()}\n\n${readme.slice(to)}`;
}

if (import.meta.main) {
  const file = path.join(root, 'README.md');
  const readme = readFileSync(file, 'utf8');
  const made = withTable(readme);
  if (!process.argv.includes('--check')) writeFileSync(file, made);
  else if (made !== readme) {
    console.error('README.md: the table of settings is out of date; run `npx node scripts/config-table.ts`');
    process.exitCode = 1;
  }
}
