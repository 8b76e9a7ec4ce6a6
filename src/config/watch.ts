import { type FSWatcher, watch } from 'node:fs';
import path from 'node:path';

/** How long a file has to be quiet before it is read: editors write in several steps. */
const settleMs = 100;

/**
 * Calls `onChange` on SIGHUP, and when `file` changes.
 * @param file null to listen to the signal only
 */
export function watchConfig(file: string | null, onChange: () => void): { close(): void } {
  let timer: NodeJS.Timeout | undefined;
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(onChange, settleMs);
  };
  process.on('SIGHUP', onChange);
  let watcher: FSWatcher | null = null;
  if (file !== null) {
    // The folder, not the file: many editors, and Kubernetes, replace it.
    watcher = watch(path.dirname(file), (_event, name) => {
      if (name === null || name === path.basename(file) || name === '..data') later();
    });
    watcher.unref();
  }
  return {
    close() {
      clearTimeout(timer);
      process.off('SIGHUP', onChange);
      watcher?.close();
    },
  };
}
