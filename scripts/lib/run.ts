import { execFileSync } from 'node:child_process';
import path from 'node:path';

/** The project's folder. */
export const root = path.resolve(import.meta.dirname, '../..');

/** Runs a tool of node_modules/.bin in the project's folder; its failure ends this process with its status. */
export function run(tool: string, args: readonly string[]): void {
  const bin = path.join(root, 'node_modules/.bin');
  try {
    execFileSync(path.join(bin, tool), args, {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, PATH: `${bin}${path.delimiter}${process.env['PATH'] ?? ''}` },
    });
  } catch (error) {
    process.exit((error as { status?: number }).status ?? 1);
  }
}
