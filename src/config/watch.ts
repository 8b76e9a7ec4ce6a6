import { type FSWatcher, watch } from 'node:fs';
import path from 'node:path';

/** How long the files have to be quiet before they are read: editors write in several steps. */
const settleMs = 100;

/** Where the signal comes from, for tests. */
export interface Signals {
  on(signal: 'SIGHUP', listener: () => void): unknown;
  off(signal: 'SIGHUP', listener: () => void): unknown;
}

/**
 * Calls `onChange` on SIGHUP, and after `files` have changed, or appeared, and then been quiet for 100 ms. Keeps no process alive.
 * A folder that cannot be watched (it is not there, or the system has no more watches) leaves the signal.
 *
 * @param files null for those that are not there
 */
export function watchConfig(
  files: string | null | readonly (string | null)[],
  onChange: () => void,
  signals: Signals = process,
): { close(): void } {
  let timer: NodeJS.Timeout | undefined;
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(onChange, settleMs).unref();
  };
  const watchers = [...byFolder([files].flat())].flatMap(
    ([folder, names]) => watchFolder(folder, names, later) ?? [],
  );
  signals.on('SIGHUP', onChange);
  return {
    close() {
      clearTimeout(timer);
      signals.off('SIGHUP', onChange);
      for (const watcher of watchers) watcher.close();
    },
  };
}

function byFolder(files: readonly (string | null)[]): Map<string, Set<string>> {
  const folders = new Map<string, Set<string>>();
  for (const file of files) {
    if (file === null) continue;
    const folder = path.dirname(file);
    folders.set(folder, (folders.get(folder) ?? new Set()).add(path.basename(file)));
  }
  return folders;
}

/** The folder, not the files: editors replace files, and Kubernetes the link `..data` beside them. */
function watchFolder(folder: string, names: ReadonlySet<string>, onChange: () => void): FSWatcher | null {
  try {
    const watcher = watch(folder, { persistent: false }, (_event, name) => {
      if (name === null || names.has(name) || name === '..data') onChange();
    });
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return null;
  }
}
