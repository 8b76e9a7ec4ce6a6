// Checks the contract: buf lint, buf format, buf breaking against the main branch where there is one, and that gen/ is
// what proto/ gives.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fetchImports } from './generate.ts';
import { root, run } from './lib/run.ts';

/** Lays out the contract of a git revision as a folder that buf can read; null when the revision has none. */
function contractAt(revision: string): string | null {
  const folder = mkdtempSync(path.join(tmpdir(), 'contract-'));
  try {
    const archive = execFileSync('git', ['archive', revision, 'buf.yaml', 'proto', 'third_party'], {
      cwd: root,
      maxBuffer: 64 * 1024 * 1024,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    execFileSync('tar', ['-x', '-C', folder], { input: archive });
  } catch {
    rmSync(folder, { recursive: true });
    return null;
  }
  cpSync(path.join(root, 'build/third_party'), path.join(folder, 'build/third_party'), { recursive: true });
  return folder;
}

fetchImports();
run('buf', ['lint']);
run('buf', ['format', '--diff', '--exit-code', 'proto']);
run('buf', ['format', '--diff', '--exit-code', 'third_party']);
const before = contractAt('main');
if (before === null) {
  console.log('buf breaking: skipped, there is no main branch with a contract to compare with');
} else {
  run('buf', ['breaking', '--against', before]);
  rmSync(before, { recursive: true });
}
run('node', ['scripts/generate.ts', '--check']);
