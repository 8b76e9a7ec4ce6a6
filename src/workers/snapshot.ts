import { readFileSync } from 'node:fs';
import { type Config, loadConfig } from '../config/load.ts';

/** The configuration's files as they were at one moment: all workers read the same, also one that replaces another later on. */
export interface Snapshot {
  /** Counts the configurations that were taken. */
  readonly version: number;
  /** Texts by path; null for one that is not there. */
  readonly files: ReadonlyMap<string, string | null>;
}

export type ReadFile = (file: string) => string;

const fromDisk: ReadFile = (file) => readFileSync(file, 'utf8');

/** Reads the configuration and remembers what it was read from. @throws ConfigError */
export function takeSnapshot(
  version: number,
  env: NodeJS.ProcessEnv,
): { config: Config; snapshot: Snapshot } {
  const files = new Map<string, string | null>();
  const readFile: ReadFile = (file) => {
    try {
      const text = fromDisk(file);
      files.set(file, text);
      return text;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') files.set(file, null);
      throw error;
    }
  };
  const config = loadConfig({ env, readFile });
  // The package's own catalogue is not read before it is needed.
  if (!files.has(config.modelsFile)) readFile(config.modelsFile);
  return { config, snapshot: { version, files } };
}

/** Reads files as they are in a snapshot, and others from the disk. */
export const readerOf =
  ({ files }: Snapshot): ReadFile =>
  (file) => {
    const text = files.get(file);
    if (text === undefined) return fromDisk(file);
    if (text === null) throw Object.assign(new Error(`no such file: ${file}`), { code: 'ENOENT' });
    return text;
  };
