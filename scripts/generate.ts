// Makes gen/ from proto/: `node scripts/generate.ts`. With --check it writes nothing that stays, and fails when gen/ is
// not what proto/ gives. Needs no network: what the contract imports is taken from npm packages.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { root, run } from './lib/run.ts';
import { writeValidateProto } from './lib/validate-proto.ts';

const imports: Record<string, string> = {
  'grpc-health-check/proto/health/v1/health.proto': 'grpc/health/v1/health.proto',
  '@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto': 'grpc/reflection/v1/reflection.proto',
  '@grpc/reflection/build/proto/grpc/reflection/v1alpha/reflection.proto':
    'grpc/reflection/v1alpha/reflection.proto',
};

/** Fills build/third_party with the files that the contract imports and the standard services. */
export function fetchImports(): void {
  const target = path.join(root, 'build/third_party');
  rmSync(target, { recursive: true, force: true });
  for (const [from, to] of Object.entries(imports)) {
    mkdirSync(path.dirname(path.join(target, to)), { recursive: true });
    cpSync(path.join(root, 'node_modules', from), path.join(target, to));
  }
  writeValidateProto(path.join(target, 'buf/validate/validate.proto'));
}

function main(): void {
  fetchImports();
  if (!process.argv.includes('--check')) {
    run('buf', ['generate']);
    return;
  }
  const fresh = mkdtempSync(path.join(tmpdir(), 'gen-'));
  try {
    run('buf', ['generate', '--output', fresh]);
    execFileSync('diff', ['-r', '-u', path.join(root, 'gen'), path.join(fresh, 'gen')], { stdio: 'inherit' });
  } catch {
    console.error('gen/ is not what proto/ gives: run `npm run generate` and commit the result');
    process.exitCode = 1;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

if (import.meta.main) main();
