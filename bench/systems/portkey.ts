// Portkey's gateway as peer: not a dependency of the project, so it is installed on demand, beside the benchmark.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../.peers/portkey/', import.meta.url));
const INSTALL_TIMEOUT_MS = 120_000;

export const PORTKEY_VERSION = '1.15.2';
export const PORTKEY_FILE = `${FOLDER}node_modules/@portkey-ai/gateway/build/start-server.js`;

const manifest = {
  name: 'bench-peer-portkey',
  private: true,
  dependencies: { '@portkey-ai/gateway': PORTKEY_VERSION },
  // The package asks for any 1.x and 4.x of these; with later ones than it was built against its streams fail.
  overrides: { '@hono/node-server': '1.13.5', hono: '4.9.7' },
};

/** Installs the peer unless it is there. Gives undefined, or the reason why there is no peer. */
export async function installPortkey(log: (line: string) => void): Promise<string | undefined> {
  if (existsSync(PORTKEY_FILE)) return undefined;
  log(`installing Portkey ${PORTKEY_VERSION} (once) …`);
  await mkdir(FOLDER, { recursive: true });
  await writeFile(`${FOLDER}package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
  // Its install script patches packages of a development tree that the published package does not contain.
  const args = ['install', '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = spawn('npm', args, {
    cwd: FOLDER,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: INSTALL_TIMEOUT_MS,
    // npm on Windows is a script.
    shell: process.platform === 'win32',
  });
  let output = '';
  npm.stderr.on('data', (data: Buffer) => {
    output = (output + data.toString()).slice(-2000);
  });
  try {
    const [code] = (await once(npm, 'close')) as [number | null];
    if (code === 0 && existsSync(PORTKEY_FILE)) return undefined;
    return `npm could not install it (${code === null ? 'timeout' : `exit ${code}`}) ${lastLine(output)}`.trim();
  } catch (error) {
    return `npm could not be started: ${(error as Error).message}`;
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.slice(0, 200) ?? '';
}
