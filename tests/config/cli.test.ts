import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';

const load = (env: Record<string, string>, yaml = '') =>
  loadConfig({
    env: { ...(yaml === '' ? {} : { LLM_GATEWAY_CONFIG: 'file.yaml' }), ...env },
    cwd: '/',
    readFile(file) {
      if (yaml !== '' && file.endsWith('file.yaml')) return yaml;
      throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    },
  });

const forms = (config: ReturnType<typeof load>) => config.providers.map(({ name }) => name);

test('names of before are read, and those with the prefix of the gateway win', () => {
  const config = load({
    LLM_BACKEND: 'cli',
    LLM_POOL_SIZE: '3',
    LLM_GATEWAY_POOL_SIZE: '4',
    LLM_KEEP_ALIVE_INTERVAL: '0',
    LLM_REQUEST_TIMEOUT: '30',
    LLM_SESSION_MAX_TURNS: '2',
  });
  expect(config).toMatchObject({
    backend: 'cli',
    cliPoolSize: 4,
    cliKeepAliveMs: 0,
    cliRequestTimeoutMs: 30_000,
    cliMaxTurns: 2,
    cliMaxOverflow: 2,
  });
});

test('the provider is there when it is the backend or enabled, and else not', () => {
  expect(forms(load({}))).not.toContain('cli');
  expect(forms(load({}))).not.toContain('mock');
  expect(forms(load({ LLM_BACKEND: 'cli' }))).toContain('cli');
  expect(forms(load({ LLM_BACKEND: 'mock' }))).toContain('mock');
  expect(forms(load({}, 'providers: { cli: { enabled: true } }'))).toContain('cli');
});

test('the program gets an environment of its own, whose values no dump shows', () => {
  const { cli } = load(
    { HOME: '/home/me', ANTHROPIC_API_KEY: 'sk-ant-1', HTTPS_PROXY: 'http://me:pw@proxy:1' },
    'cli: { env: { A: 1 }, pass_env: [HTTPS_PROXY], models: { big: opus }, args: [x, 1] }',
  );
  expect({ ...cli.env }).toMatchObject({ HOME: '/home/me', A: '1', HTTPS_PROXY: 'http://me:pw@proxy:1' });
  expect(Object.keys(cli.env)).not.toContain('ANTHROPIC_API_KEY');
  expect([cli.args, cli.models]).toEqual([['x', '1'], { big: 'opus' }]);
  expect(inspect(cli, { depth: 9 }) + JSON.stringify(cli)).not.toMatch(/pw@|home\/me/);
});

test.each([
  ['LLM_BACKEND', 'gpt', 'api, cli, mock'],
  ['LLM_POOL_SIZE', '0', '1 to 64'],
  ['LLM_CLI_PRESET', 'gemini', 'claude, codex'],
])('%s=%s stops the start', (name, value, allowed) => {
  expect(() => load({ [name]: value })).toThrow(allowed);
});

test.each([
  'cli: { models: { a: --danger } }',
  'cli: { env: { "A B": x } }',
  'cli: { argz: [] }',
  'providers: { cli: { enabled: true, api_key: x } }',
])('%s is a mistake', (yaml) => {
  expect(() => load({}, yaml)).toThrow(/cli/);
});
