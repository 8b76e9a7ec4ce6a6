import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

const src = path.resolve(import.meta.dirname, '../src');

/** What each folder of src may import from the others; its own files always. */
const allowed: Record<string, readonly string[]> = {
  errors: [],
  model: ['errors'],
  http: [],
  auth: ['config', 'errors'],
  overload: ['errors', 'observability'],
  health: ['observability'],
  'cli-pool': ['http', 'observability'],
  observability: ['errors'],
  config: ['errors', 'observability', 'security/mode'],
  catalogue: ['config', 'errors'],
  codec: ['model', 'errors'],
  memory: [],
  security: [],
  audit: ['http', 'errors', 'observability'],
  reasoning: ['memory', 'model'],
  tokens: [],
  sessions: ['errors'],
  cache: ['model', 'errors', 'observability'],
  usage: ['auth', 'tokens', 'model', 'errors', 'observability'],
  limits: ['auth', 'model', 'errors', 'observability'],
  integrations: ['http', 'errors', 'config', 'observability'],
  tools: ['memory', 'codec/json', 'integrations', 'http', 'errors', 'model', 'config', 'observability'],
  resilience: ['errors', 'http', 'model'],
  cms: ['integrations', 'tokens', 'errors'],
  responses: ['codec', 'model', 'errors'],
  store: [
    'auth/store',
    'auth/api-key',
    'sessions/store',
    'memory/store',
    'tools/store',
    'responses/store',
    'usage/store',
    'limits/store',
    'limits/memory-store',
    'cache/store',
    'config',
    'errors',
    'observability',
  ],
  providers: ['cli-pool', 'codec', 'model', 'errors', 'http', 'config', 'catalogue', 'observability'],
  pipeline: [
    'auth',
    'resilience',
    'reasoning',
    'sessions',
    'tools',
    'cms',
    'responses',
    'providers',
    'catalogue',
    'tokens',
    'usage',
    'limits',
    'cache',
    'security',
    'audit',
    'model',
    'errors',
    'config',
    'observability',
  ],
  rpc: [
    'auth',
    'cli-pool',
    'integrations',
    'health',
    'overload',
    'pipeline',
    'sessions',
    'tools',
    'responses',
    'providers',
    'catalogue',
    'tokens',
    'usage',
    'limits',
    'cache',
    'codec',
    'model',
    'errors',
    'server/types',
    'security/mode',
    'observability',
  ],
  rest: [
    'auth',
    'rpc',
    'pipeline',
    'sessions',
    'tools',
    'responses',
    'codec',
    'model',
    'errors',
    'http',
    'server/body',
    'server/disconnect',
    'server/types',
    'observability',
  ],
  server: ['auth', 'overload', 'rest', 'rpc', 'errors', 'config/problems', 'observability'],
  workers: ['config', 'errors', 'observability', 'server/listen', 'context'],
  // The parts of context.ts: they construct.
  context: [''],
};

/** Folders whose members do not know each other. */
const strangers = ['codec', 'providers'];

interface Import {
  readonly from: string;
  readonly to: string;
}

function imports(): Import[] {
  const found: Import[] = [];
  for (const file of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const text = readFileSync(path.join(src, file), 'utf8');
    for (const [, target] of text.matchAll(/^\s*(?:import|export)\b[^;]*?from '(\.[^']+)'/gms)) {
      const to = path.relative(src, path.resolve(src, path.dirname(file), target as string));
      if (!to.startsWith('..')) found.push({ from: file, to });
    }
  }
  return found;
}

const folderOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] as string) : '');

describe('imports', () => {
  const all = imports();

  test('are found', () => {
    expect(all.length).toBeGreaterThan(50);
  });

  test('point downward', () => {
    // What everybody may use imports nothing.
    expect(all.filter(({ from }) => folderOf(from) === 'base')).toEqual([]);
    const wrong = all.filter(({ from, to }) => {
      const folder = folderOf(from);
      const target = folderOf(to);
      if (folder === '' || folder === target || target === 'base') return false;
      return !(allowed[folder] ?? []).some(
        (name) => to.startsWith(`${name}/`) || to === `${name}.ts` || name === '',
      );
    });
    expect(wrong).toEqual([]);
  });

  test('every folder is known', () => {
    expect(
      [...new Set(all.map(({ from }) => folderOf(from)))].filter((f) => f !== '' && !(f in allowed)),
    ).toEqual([]);
  });

  test('are those that the documentation tells', () => {
    const text = readFileSync(path.join(src, '../docs/architecture.md'), 'utf8');
    const told = [...text.matchAll(/^\| `src\/([\w-]+)\/(?:<dialect>\/)?` \|.*\|([^|]*)\|$/gm)].map(
      ([, folder, names]) => [
        folder,
        [...(names as string).matchAll(/`([^`]+)`/g)].map(([, name]) => name).toSorted(),
      ],
    );
    const { context: _constructs, ...folders } = allowed;
    expect(Object.fromEntries(told)).toEqual({
      base: [],
      ...Object.fromEntries(Object.entries(folders).map(([folder, names]) => [folder, names.toSorted()])),
    });
  });

  test('dialects and providers do not know their siblings', () => {
    const wrong = all.filter(({ from, to }) => {
      const [folder, member, ...rest] = from.split('/');
      const [target, other, ...inner] = to.split('/');
      if (folder !== target || !strangers.includes(folder as string)) return false;
      return rest.length > 0 && inner.length > 0 && member !== other;
    });
    expect(wrong).toEqual([]);
  });

  test('stages do not know each other', () => {
    const shared = ['call.ts', 'route.ts', 'open-calls.ts', 'leaving.ts', 'when-over.ts'];
    const wrong = all.filter(
      ({ from, to }) =>
        folderOf(from) === 'pipeline' && folderOf(to) === 'pipeline' && !shared.includes(path.basename(to)),
    );
    expect(wrong).toEqual([]);
  });
});
