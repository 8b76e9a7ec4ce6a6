import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startFlags } from '../scripts/lib/start-flags.ts';
import { startGateway } from './support/gateway.ts';

const read = (name: string): string => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
const dockerfile = read('Dockerfile');

const folder = mkdtempSync(path.join(tmpdir(), 'image-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('the image runs Node as npm start does', () => {
  const [, command = ''] = /^CMD (\[.*\])$/m.exec(dockerfile) ?? [];
  expect(JSON.parse(command)).toEqual(['node', ...startFlags(), 'src/main.ts']);
  expect(startFlags()).not.toEqual([]);
});

/** Exit code of what the image finds out its health by. */
function health(port: number): Promise<number> {
  const [, command = ''] = /^HEALTHCHECK .*\\\n {2}CMD (\[.*\])$/m.exec(dockerfile) ?? [];
  const [, ...args] = JSON.parse(command) as string[];
  const env = { LLM_GATEWAY_PORT: String(port) };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env, timeout: 10_000 }, (error) =>
      resolve(error === null ? 0 : Number(error.code)),
    );
  });
}

test('the image is healthy with and without TLS, wherever that is said', async () => {
  const file = path.join(folder, 'gateway.yaml');
  const fixture = (name: string): string => path.join(import.meta.dirname, 'server/fixtures', name);
  writeFileSync(
    file,
    `server: { tls: { cert: ${fixture('one-cert.pem')}, key: ${fixture('one-key.pem')} } }\n`,
  );
  const plain = await startGateway();
  const tls = await startGateway({ LLM_GATEWAY_CONFIG: file });
  try {
    expect(await Promise.all([health(plain.port), health(tls.port)])).toEqual([0, 0]);
  } finally {
    await Promise.all([plain.stop(), tls.stop()]);
  }
  expect(await health(plain.port)).toBe(1);
});

test("the configuration with an operator's keys gets neither into the repository nor into the image", () => {
  expect(read('.gitignore').split('\n')).toContain('/config/gateway.yaml');
  const lines = read('.dockerignore').split('\n');
  expect(lines.indexOf('config/gateway.yaml')).toBeGreaterThan(lines.indexOf('!config'));
});
