// Adds entries to package-lock.json for optional platform packages that the registry of the machine which made it lacks.
// Without them `npm ci` refuses the lock file as out of date, although nobody on those platforms loses anything. Run it
// after every `npm install` that changed the lock file: `node scripts/complete-lock.ts`.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './lib/run.ts';

interface LockedPackage {
  version?: string;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optional?: boolean;
  optionalDependencies?: Record<string, string>;
}

const file = path.join(root, 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, LockedPackage> };
const platform = /(android|darwin|linux|win32|freebsd|openbsd|netbsd|sunos|aix)-(\w+)/;
const cpus: Record<string, string> = { aarch64: 'arm64', armv7: 'arm', armv6: 'arm' };

let added = 0;
for (const [owner, { optionalDependencies = {} }] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(optionalDependencies)) {
    const key = `node_modules/${name}`;
    if (key in lock.packages || `${owner}/${key}` in lock.packages) continue;
    const [, os, cpu] = platform.exec(name) ?? [];
    if (os === undefined || cpu === undefined) throw new Error(`cannot tell the platform of ${name}`);
    lock.packages[key] = {
      version: range.replace(/^[^\d]*/, ''),
      cpu: [cpus[cpu] ?? cpu],
      ...(name.includes('musl') ? { libc: ['musl'] } : {}),
      optional: true,
      os: [os],
    };
    added++;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`added ${added} entries to package-lock.json`);
