import path from 'node:path';
import { type Config, loadConfig } from '../../../src/config/load.ts';
import { ConfigError } from '../../../src/config/problems.ts';

/** A folder that does not exist; files are made up. */
export const folder = '/folder';

/** Loads a configuration whose file holds `yaml`; null for none. Nothing of the machine is read. */
export function load(
  yaml: string | null,
  env: Record<string, string> = {},
  files: Record<string, string | Error> = {},
): Config {
  const all: Record<string, string | Error> = { ...files };
  if (yaml !== null) all['config/gateway.yaml'] = yaml;
  const readFile = (file: string): string => {
    const found = all[path.relative(folder, file)];
    if (typeof found === 'string') return found;
    throw found ?? Object.assign(new Error('no such file'), { code: 'ENOENT' });
  };
  return loadConfig({ env, cwd: folder, readFile });
}

/** The lines of the mistakes; none when it loads. */
export function mistakes(...args: Parameters<typeof load>): readonly string[] {
  try {
    load(...args);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.lines;
    throw error;
  }
}

export const provider = (config: Config, name: string) => config.providers.find((one) => one.name === name);
