import { mkdirSync, statSync } from 'node:fs';
import path from 'node:path';

/**
 * Makes a folder, and those above it, where they are not there yet. Node's own `recursive` never returns where the system refuses a folder as missing though
 * the one above it is there, as below /proc.
 * @throws what the system says
 */
export function makeFolder(folder: string, mode = 0o777): void {
  const full = path.resolve(folder);
  if (isFolder(full)) return;
  const parent = path.dirname(full);
  if (parent !== full) makeFolder(parent, mode);
  try {
    mkdirSync(full, { mode });
  } catch (error) {
    // Others may have made it at the same time.
    if (!isFolder(full)) throw error;
  }
}

const isFolder = (file: string): boolean => statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
