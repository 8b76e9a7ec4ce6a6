import { EventEmitter, once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { watchConfig } from '../../src/config/watch.ts';

let folder: string;
let changes: EventEmitter;
let count: number;
let signals: EventEmitter;
let watcher: { close(): void } | undefined;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'watch-'));
  changes = new EventEmitter();
  signals = new EventEmitter();
  count = 0;
});
afterEach(() => {
  watcher?.close();
  rmSync(folder, { recursive: true });
});

const place = (name: string): string => path.join(folder, name);
const begin = (files: Parameters<typeof watchConfig>[0]): void => {
  watcher = watchConfig(
    files,
    () => {
      count++;
      changes.emit('change');
    },
    signals,
  );
};
const changed = (): Promise<unknown> => once(changes, 'change', { signal: AbortSignal.timeout(5_000) });

describe('calls back when', () => {
  test('the file is written', async () => {
    writeFileSync(place('a.yaml'), '');
    begin(place('a.yaml'));
    const next = changed();
    writeFileSync(place('a.yaml'), 'x: 1');
    await next;
  });

  test('it is replaced, and again', async () => {
    writeFileSync(place('a.yaml'), '');
    begin(place('a.yaml'));
    for (let round = 0; round < 2; round++) {
      const next = changed();
      writeFileSync(place('new'), `x: ${round}`);
      renameSync(place('new'), place('a.yaml'));
      await next;
    }
    expect(count).toBe(2);
  });

  test('it appears', async () => {
    begin(place('a.yaml'));
    const next = changed();
    writeFileSync(place('a.yaml'), '');
    await next;
  });

  test('the link beside it turns, as in Kubernetes', async () => {
    mkdirSync(place('one'));
    symlinkSync(place('one'), place('..data'));
    begin(place('a.yaml'));
    const next = changed();
    unlinkSync(place('..data'));
    symlinkSync(place('one'), place('..data'));
    await next;
  });

  test('another of several files changes', async () => {
    mkdirSync(place('models'));
    begin([null, place('a.yaml'), place('models/b.yaml')]);
    const next = changed();
    writeFileSync(place('models/b.yaml'), '');
    await next;
  });

  test('SIGHUP comes, at once', () => {
    begin(null);
    signals.emit('SIGHUP');
    expect(count).toBe(1);
  });
});

/** Resolves when everything that happened until now has been seen. */
async function settled(): Promise<void> {
  await new Promise<void>((resolve) => {
    const other = watchConfig(place('mark'), () => resolve(other.close()), signals);
    writeFileSync(place('mark'), '');
  });
}

test('several writes in a row are one change', async () => {
  begin(place('a.yaml'));
  for (let i = 0; i < 20; i++) writeFileSync(place('a.yaml'), `${i}`);
  await settled();
  expect(count).toBe(1);
});

test('other files are none', async () => {
  begin(place('a.yaml'));
  writeFileSync(place('b.yaml'), '');
  writeFileSync(place('a.yaml.swp'), '');
  await settled();
  expect(count).toBe(0);
});

test('a folder that is not there leaves the signal', () => {
  begin(place('none/a.yaml'));
  signals.emit('SIGHUP');
  expect(count).toBe(1);
});

test('nothing after it is closed', async () => {
  begin(place('a.yaml'));
  writeFileSync(place('a.yaml'), '');
  watcher?.close();
  signals.emit('SIGHUP');
  await settled();
  expect([count, signals.listenerCount('SIGHUP')]).toEqual([0, 0]);
});
