import { spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');

/** The program: that of the environment's CODEX_BIN, the one that .ci/run installs, or the machine's; null for none. */
export function findCodex(): string | null {
  const named = process.env['CODEX_BIN'];
  const folders = [
    path.join(root, 'build/codex/node_modules/.bin'),
    ...(process.env['PATH'] ?? '').split(path.delimiter),
  ];
  for (const file of [
    ...(named === undefined ? [] : [named]),
    ...folders.map((folder) => path.join(folder, 'codex')),
  ]) {
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // The next one.
    }
  }
  return null;
}

/** What it prints with --json: one event a line. */
export interface CodexEvent {
  readonly type: string;
  readonly item?: {
    readonly type: string;
    readonly text?: string;
    readonly command?: string;
    readonly aggregated_output?: string;
    readonly exit_code?: number | null;
    readonly status?: string;
    readonly message?: string;
    readonly tool?: string;
    readonly server?: string;
  };
  readonly message?: string;
  readonly usage?: { readonly input_tokens: number; readonly output_tokens: number };
}

export interface CodexRun {
  /** 0 for success. */
  readonly code: number | null;
  readonly events: readonly CodexEvent[];
  /** Items that were completed, of one type. */
  items(type: string): NonNullable<CodexEvent['item']>[];
  readonly stderr: string;
}

export interface Codex {
  /** Where it works. */
  readonly folder: string;
  /** Runs it without a user. @param args of `codex exec`, the prompt last */
  exec(...args: string[]): Promise<CodexRun>;
  remove(): void;
}

/** Codex with a home of its own, whose only provider is a gateway. @param more lines of its configuration, tables last */
export function setUpCodex(program: string, url: string, model: string, more = ''): Codex {
  const home = mkdtempSync(path.join(tmpdir(), 'codex-'));
  const folder = path.join(home, 'work');
  mkdirSync(folder);
  writeFileSync(
    path.join(home, 'config.toml'),
    `model = "${model}"
model_provider = "gateway"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.gateway]
name = "gateway"
base_url = "${url}/v1"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
${more}
`,
  );
  return {
    folder,
    exec: (...args) => run(program, ['exec', ...args], home, folder),
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}

async function run(program: string, args: string[], home: string, cwd: string): Promise<CodexRun> {
  // Nothing of the caller's: neither account nor settings.
  const env = { PATH: process.env['PATH'], HOME: home, CODEX_HOME: home, SHELL: '/bin/bash' };
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const events = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as CodexEvent);
  const completed = events.filter(({ type }) => type === 'item.completed');
  return {
    code,
    events,
    items: (type) => completed.flatMap(({ item }) => (item?.type === type ? [item] : [])),
    stderr,
  };
}
