// Prints the README's configuration table from the table of settings; with --check compares it with the README.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { builtinProviders } from '../src/config/builtin-providers.ts';
import { type Setting, settings } from '../src/config/settings.ts';
import { root } from './lib/run.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (text: string): string => (text === '' || text.includes('`') ? text : `\`${text}\``);

/** All settings as Markdown tables. */
export function configTables(): string {
  const rows = Object.values(settings as Record<string, Setting>).map(
    ({ env, path: place, shownDefault, doc }) =>
      `| \`${env[0]}\` | \`${place}\` | ${cell(code(shownDefault))} | ${cell(doc)} |`,
  );
  const providers = Object.entries(builtinProviders)
    .filter(([, { form }]) => form !== 'fake')
    .map(([name, { keys, urls = [], baseUrl, prefixes }]) => {
      const variables = [`LLM_GATEWAY_${name.toUpperCase()}_BASE_URL`, ...urls];
      const key = keys.length === 0 ? 'none needed' : keys.map((k) => `\`${k}\``).join(' or ');
      return `| ${name} | ${prefixes.map((p) => `\`${p}\``).join(' ')} | ${key} | ${variables.map((v) => `\`${v}\``).join(' or ')} | \`${baseUrl}\` |`;
    });
  return [
    '| variable | in the file | default | meaning |',
    '|---|---|---|---|',
    '| `LLM_GATEWAY_CONFIG` | | `config/gateway.yaml`, if there | The YAML file |',
    ...rows,
    '',
    'Keys and addresses of the built-in providers. Every key is also read with the prefix `LLM_GATEWAY_`, which wins.',
    '',
    '| provider | prefixes | key | variable of its address | default address |',
    '|---|---|---|---|---|',
    ...providers,
  ].join('\n');
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
    console.error('README.md: the table of settings is out of date; run `node scripts/config-table.ts`');
    process.exitCode = 1;
  }
}
