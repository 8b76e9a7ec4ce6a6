import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  CommandFailed,
  freePort,
  run,
  type Service,
  startService,
  stopAll,
  tail,
} from '../real-model/processes.ts';

// What the scripts have in common that try Anthropic's command-line client, Claude Code.

export const root = path.resolve(import.meta.dirname, '../..');
/** Where the client is, and what is made for it. */
export const cache = path.join(root, 'build/claude-code');
/** Of the client. The environment may name another one. */
export const version = process.env['CLAUDE_CODE_VERSION'] ?? '2.1.329';
const installed = path.join(cache, 'node_modules/@anthropic-ai/claude-code');
/** The client's program, for Node. */
export const program = path.join(installed, 'cli-wrapper.cjs');
const installMs = 300_000;

/** The client without its install script, which would only copy its program. */
async function install(): Promise<void> {
  const description = path.join(installed, 'package.json');
  if (existsSync(description) && JSON.parse(readFileSync(description, 'utf8')).version === version) return;
  mkdirSync(cache, { recursive: true });
  writeFileSync(path.join(cache, 'package.json'), '{"private":true}');
  const name = `@anthropic-ai/claude-code@${version}`;
  await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', name], {
    cwd: cache,
    timeoutMs: installMs,
  });
}

/** What the client has of its environment: nothing of the caller's, neither account nor settings. */
export const clientVariables = (url: string, home: string, model: string): Record<string, string> => ({
  HOME: home,
  ANTHROPIC_BASE_URL: url,
  ANTHROPIC_API_KEY: 'none',
  ANTHROPIC_DEFAULT_HAIKU_MODEL: model,
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  DISABLE_AUTOUPDATER: '1',
});

/** A gateway whose OpenAI is the scripted upstream. @param variablesOf what else is in its environment, by its port */
export async function startGateway(
  name: string,
  upstream: { readonly url: string },
  variablesOf: (port: number) => Record<string, string> = () => ({}),
): Promise<Service> {
  const port = await freePort();
  return startService({
    name,
    command: process.execPath,
    args: ['src/main.ts'],
    port,
    healthPath: '/health/live',
    logFolder: path.join(cache, 'logs'),
    cwd: root,
    // Not the caller's environment: keys, limits or stores that are set there would change what is tested.
    env: {
      PATH: process.env['PATH'],
      LLM_GATEWAY_HOST: '127.0.0.1',
      LLM_GATEWAY_PORT: `${port}`,
      OPENAI_API_KEY: 'none',
      LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.url}/v1`,
      ...variablesOf(port),
    },
    timeoutMs: 30_000,
  });
}

/** Tries one after the other and tells of each. @param problemOf what is wrong; '' for nothing @returns how many failed */
export async function tryAll(
  names: readonly string[],
  problemOf: (name: string) => Promise<string>,
): Promise<number> {
  const width = Math.max(...names.map(({ length }) => length));
  let failed = 0;
  for (const name of names) {
    const problem = await problemOf(name);
    if (problem !== '') failed++;
    console.log(`${name.padEnd(width)}  ${problem === '' ? 'passed' : `failed\n    ${problem}`}`);
  }
  return failed;
}

/** Tells how it ended. @returns the exit code */
export function summed(all: number, failed: number, gateway: Service): number {
  console.log(`\n${all - failed} passed, ${failed} failed`);
  if (failed > 0) console.log(`\nend of ${gateway.logFile}:\n${tail(gateway.logFile)}`);
  return failed > 0 ? 1 : 0;
}

/**
 * Runs a script to its end, and ends the process. Exit codes: what `main` returns, 1 when it fails, 3 when this machine cannot have the client, 130 interrupted.
 */
export async function runScript(main: () => Promise<number>): Promise<never> {
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      interrupted = true;
      void stopAll();
    });
  }
  let code = 1;
  try {
    code = (await isInstalled()) ? await main() : 3;
  } catch (error) {
    if (!interrupted) console.error(error instanceof Error ? error.message : error);
  } finally {
    await stopAll();
  }
  process.exit(interrupted ? 130 : code);
}

async function isInstalled(): Promise<boolean> {
  try {
    await install();
    return true;
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    console.error(`skipped: cannot install @anthropic-ai/claude-code ${version}: ${error.message}`);
    return false;
  }
}
