// Prints the table of errors in docs/api.md from the table of reasons; with --check compares it.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Code } from '@connectrpc/connect';
import { ErrorReason } from '../gen/llmgateway/v1/error_pb.js';
import { encodeMessagesError, messagesStatus } from '../src/codec/anthropic-messages/encode-error.ts';
import { GatewayError } from '../src/errors/gateway-error.ts';
import { reasonForms } from '../src/errors/reasons.ts';
import { root } from './lib/run.ts';

const snake = (name: string): string => name.replace(/(?<=[a-z])([A-Z])/g, '_$1').toUpperCase();

/** Anthropic's type of a reason, and its status on Anthropic's routes where that is another. */
function anthropics(reason: ErrorReason): string {
  const error = new GatewayError(reason, '');
  const { type } = (JSON.parse(encodeMessagesError(error, '')) as { error: { type: string } }).error;
  const status = messagesStatus(error);
  return `\`${type}\`${status === error.status ? '' : ` (${status})`}`;
}

/** All reasons as a Markdown table. */
export function errorTable(): string {
  const reasons = Object.entries(reasonForms).filter(
    ([reason]) => Number(reason) !== ErrorReason.UNSPECIFIED,
  );
  return [
    "| reason | HTTP | RPC | type | code | Anthropic's type |",
    '|---|---|---|---|---|---|',
    ...reasons.map(
      ([reason, { status, code, type, openaiCode }]) =>
        `| \`${ErrorReason[Number(reason)]}\` | ${status} | \`${snake(Code[code])}\` | \`${type}\` | ${openaiCode === null ? '' : `\`${openaiCode}\``} | ${anthropics(Number(reason))} |`,
    ),
  ].join('\n');
}

const begin = '<!-- errors: made by scripts/error-table.ts -->';
const end = '<!-- end of errors -->';

/** docs/api.md with its table made anew. */
export function withTable(page: string): string {
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/api.md has no place for the table: ${begin} … ${end}`);
  return `${page.slice(0, from)}${begin}\n\n${errorTable()}\n\n${page.slice(to)}`;
}

if (import.meta.main) {
  const file = path.join(root, 'docs/api.md');
  const page = readFileSync(file, 'utf8');
  const made = withTable(page);
  if (!process.argv.includes('--check')) writeFileSync(file, made);
  else if (made !== page) {
    console.error('docs/api.md: the table of errors is out of date; run `npx node scripts/error-table.ts`');
    process.exitCode = 1;
  }
}
