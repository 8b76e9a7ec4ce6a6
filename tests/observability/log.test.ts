import { describe, expect, test } from 'vitest';
import { createLogger, type Fields, type Level, type LogLevels } from '../../src/observability/log.ts';

function capture(levels: LogLevels) {
  const lines: Record<string, unknown>[] = [];
  const sink = (line: string) => {
    expect(line).toMatch(/^\{.*\}\n$/);
    lines.push(JSON.parse(line));
  };
  const log = createLogger({ service: 'gw', ...levels, sink, now: () => new Date(1_000) });
  return { lines, log, messages: () => lines.map(({ message }) => message) };
}

const head = { timestamp: '1970-01-01T00:00:01.000Z', service: 'gw' };

test('one JSON object a line: time, level, service, module, message, fields', () => {
  const { lines, log } = capture({ level: 'DEBUG' });
  log.debug('one');
  log.info('two', { a: 1, b: { c: [true] } });
  log.module('other').warn('three\nlines');
  log.error('four', { error: new Error('x') });
  expect(lines).toMatchObject([
    { ...head, level: 'DEBUG', module: 'main', message: 'one' },
    { ...head, level: 'INFO', module: 'main', message: 'two', a: 1, b: { c: [true] } },
    { ...head, level: 'WARN', module: 'other', message: 'three\nlines' },
    { ...head, level: 'ERROR', module: 'main', message: 'four', error: { name: 'Error', message: 'x' } },
  ]);
  expect(Object.keys(lines[1]!)).toEqual(['timestamp', 'level', 'service', 'module', 'message', 'a', 'b']);
});

describe('levels', () => {
  const all: readonly Level[] = ['DEBUG', 'INFO', 'WARN', 'ERROR'];
  test.each(all)('%s', (level) => {
    const { log, messages } = capture({ level });
    log.debug('DEBUG');
    log.info('INFO');
    log.warn('WARN');
    log.error('ERROR');
    expect(messages()).toEqual(all.slice(all.indexOf(level)));
    expect(all.filter((one) => log.enabled(one))).toEqual(messages());
  });

  test('of single modules', () => {
    const { log, messages } = capture({ level: 'WARN', modules: { chatty: 'DEBUG', quiet: 'ERROR' } });
    log.module('chatty').debug('kept');
    log.module('quiet').warn('left out');
    log.module('constructor').info('left out');
    log.module('constructor').warn('kept');
    expect(messages()).toEqual(['kept', 'kept']);
  });

  test('can be changed, also of loggers that are there already', () => {
    const { log, messages } = capture({ level: 'WARN' });
    const child = log.module('a').child({ x: 1 });
    child.info('left out');
    log.setLevels({ level: 'ERROR', modules: { a: 'DEBUG' } });
    child.debug('kept');
    log.warn('left out');
    log.setLevels({ level: 'WARN' });
    child.info('left out');
    expect(messages()).toEqual(['kept']);
  });

  test('a line that is not written costs no reading of its fields', () => {
    const { log } = capture({ level: 'INFO' });
    const fields: Fields = {
      get dear(): number {
        throw new Error('was read');
      },
    };
    log.debug('x', fields);
  });
});

describe('child loggers', () => {
  test('have their fields in every line, under those of the line', () => {
    const { lines, log } = capture({ level: 'INFO' });
    const call = log.child({ request_id: 'r1', trace_id: 't1' });
    call.info('a', { trace_id: 't2' });
    call.module('other').child({ more: 1 }).info('b');
    log.info('c');
    expect(lines).toEqual([
      { ...head, level: 'INFO', module: 'main', message: 'a', request_id: 'r1', trace_id: 't2' },
      { ...head, level: 'INFO', module: 'other', message: 'b', request_id: 'r1', trace_id: 't1', more: 1 },
      { ...head, level: 'INFO', module: 'main', message: 'c' },
    ]);
  });

  test('are redacted too', () => {
    const { lines, log } = capture({ level: 'INFO' });
    log.child({ cookie: 'x', note: 'sk-abcdefghijklmnop' }).info('a');
    expect(lines[0]).toMatchObject({ cookie: '[redacted]', note: '[redacted]' });
  });
});

test('no field takes the place of what every line has', () => {
  const { lines, log } = capture({ level: 'INFO' });
  log.child({ service: 'x', ok: 1 }).info('a', { level: 'x', message: 'x', timestamp: 'x', module: 'x' });
  expect(lines).toEqual([
    {
      ...head,
      level: 'INFO',
      module: 'main',
      message: 'a',
      service_: 'x',
      ok: 1,
      level_: 'x',
      message_: 'x',
      timestamp_: 'x',
      module_: 'x',
    },
  ]);
});

test('secrets in messages', () => {
  const { lines, log } = capture({ level: 'INFO' });
  log.info('key sk-abcdefghijklmnop was refused');
  expect(lines[0]?.['message']).toBe('key [redacted] was refused');
});

test('a line is bounded', () => {
  const lengths: number[] = [];
  const log = createLogger({ service: 'gw', level: 'INFO', sink: (line) => void lengths.push(line.length) });
  const big = 'x'.repeat(1_000_000);
  log.info(
    big,
    Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, { big, list: [big, big] }])),
  );
  expect(lengths[0]).toBeLessThan(150_000);
});
