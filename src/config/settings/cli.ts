import { cliPresets } from '../cli.ts';
import { alsoAs, hour, type Setting, setting } from '../setting.ts';
import { bytes, duration, oneOf, shownTime, text, type ValueReader, Wrong, wholeNumber } from '../values.ts';

/** Variables of these had a prefix of their own before there was this gateway's; both are read. */
const known = <T>(
  path: string,
  name: string,
  read: ValueReader<T>,
  fallback: T,
  doc: string,
  shown?: string,
): Setting<T> => alsoAs(setting(path, name, read, fallback, doc, shown), `LLM_${name}`);

const seconds = (
  path: string,
  name: string,
  range: readonly [number, number],
  fallbackMs: number,
  doc: string,
): Setting<number> => known(path, name, duration(...range), fallbackMs, doc, shownTime(fallbackMs));

/** 0, or a time of at least 100 ms. */
const interval: ValueReader<number> = (raw) => {
  if (raw === 0 || raw === '0') return 0;
  const read = duration(100, 86_400_000)(raw);
  return read instanceof Wrong ? new Wrong(`0, or ${read.allowed}`) : read;
};

/** Sessions with a command-line program, as a provider for development that costs nothing. */
export const cliSettings = {
  backend: known(
    'backend',
    'BACKEND',
    oneOf(['api', 'cli', 'mock']),
    'api',
    'Where names that begin with `claude-` and have no prefix go: to the API, to sessions with a command-line program, or to canned answers',
  ),
  mockDelayMs: known(
    'mock_delay_ms',
    'MOCK_DELAY_MS',
    wholeNumber(0, 600_000),
    0,
    'How long a canned answer takes, in milliseconds',
  ),
  cliPreset: known('cli.preset', 'CLI_PRESET', oneOf(cliPresets), 'claude', 'Which program it is'),
  cliCommand: known('cli.command', 'CLI_PATH', text, '', 'The program itself', "the preset's name"),
  cliModel: known(
    'cli.model',
    'POOL_MODEL',
    text,
    '',
    'Model that sessions are started with',
    "`claude-sonnet`; with `codex` the program's own default",
  ),
  cliPoolSize: known('cli.pool_size', 'POOL_SIZE', wholeNumber(1, 64), 2, 'Sessions that are kept warm'),
  cliMaxOverflow: known(
    'cli.max_overflow',
    'MAX_OVERFLOW',
    wholeNumber(0, 64),
    2,
    'Most sessions besides those, each started cold for a request that found none free for 250 ms',
  ),
  cliMaxWaiting: known(
    'cli.max_waiting',
    'POOL_QUEUE',
    wholeNumber(0, 10_000),
    64,
    'Most requests that wait for a session; further ones get 503',
  ),
  cliMaxTurns: known(
    'cli.max_turns',
    'SESSION_MAX_TURNS',
    wholeNumber(1, 1_000),
    1,
    'Requests that a session serves before another one takes its place; with more than 1 later ones may see what earlier ones said',
  ),
  cliMaxIdleMs: seconds(
    'cli.max_idle',
    'SESSION_MAX_IDLE',
    [1_000, 24 * hour],
    300_000,
    'How long a session that gets no pings may be idle before another one takes its place',
  ),
  cliSpawnTimeoutMs: seconds(
    'cli.spawn_timeout',
    'SPAWN_TIMEOUT',
    [100, 600_000],
    30_000,
    'Longest start of a session',
  ),
  cliKeepAliveMs: known(
    'cli.keep_alive_interval',
    'KEEP_ALIVE_INTERVAL',
    interval,
    300_000,
    'How often an idle session is asked for a sign of life; 0: never',
    '5m',
  ),
  cliRequestTimeoutMs: seconds(
    'cli.request_timeout',
    'REQUEST_TIMEOUT',
    [100, 24 * hour],
    60_000,
    'Longest request to a session, its wait included',
  ),
  cliMaxMemory: known(
    'cli.max_memory',
    'CLI_MAX_MEMORY',
    bytes(0, 2 ** 40),
    2 * 2 ** 30,
    'Memory with which the process of a session is ended; 0: no bound',
    '2GiB',
  ),
} as const;
