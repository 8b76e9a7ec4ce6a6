import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** The program's own file. */
export const script = path.resolve(import.meta.dirname, 'scripted-cli.ts');

/** A configuration that runs the scripted program, and what that has told of itself. */
export interface ScriptedCli {
  readonly env: Record<string, string>;
  /** What the program itself is told by its environment. */
  readonly variables: Record<string, string>;
  readonly folder: string;
  /** What its processes have noted, in order. */
  notes(what?: string): Record<string, unknown>[];
  /** Processes that were started and are still there. */
  alive(): number[];
  remove(): void;
}

/** @param settings of the program @param more lines of the configuration's file */
export function scriptedCli(settings: Record<string, unknown> = {}, more = ''): ScriptedCli {
  const folder = mkdtempSync(path.join(tmpdir(), 'scripted-cli-'));
  const log = path.join(folder, 'log');
  writeFileSync(log, '');
  const variables = { SCRIPTED_CLI: JSON.stringify({ log, ...settings }) };
  const file = path.join(folder, 'gateway.yaml');
  writeFileSync(
    file,
    `cli:
  args: [${JSON.stringify(script)}]
  env:
    SCRIPTED_CLI: ${JSON.stringify(variables.SCRIPTED_CLI)}
${more}`,
  );
  const notes = (what?: string): Record<string, unknown>[] =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => what === undefined || line['what'] === what);
  return {
    env: {
      LLM_GATEWAY_CONFIG: file,
      LLM_BACKEND: 'cli',
      LLM_CLI_PATH: process.execPath,
    },
    variables,
    folder,
    notes,
    alive: () =>
      notes('start')
        .map(({ pid }) => Number(pid))
        .filter(isThere),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Whether a process is there and not merely unmourned. */
export function isThere(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
