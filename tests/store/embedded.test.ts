import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { ConfigError } from '../../src/config/problems.ts';
import { checkDataDir, Database } from '../../src/store/embedded/database.ts';
import { migrations } from '../../src/store/embedded/schema.ts';
import { EmbeddedSessions } from '../../src/store/embedded/sessions.ts';
import { type StoreUnderTest, sessionSuite } from './support/session-suite.ts';

const maxBytes = 64 * 2 ** 20;
const folders: string[] = [];
function folder(): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-embedded-'));
  folders.push(dir);
  return dir;
}
afterAll(() => {
  for (const dir of folders) rmSync(dir, { recursive: true, force: true });
});

describe('sessions in the embedded store', () => {
  let under: StoreUnderTest;
  let close: () => void;
  beforeAll(() => {
    const dir = folder();
    let offset = 0;
    const nowUs = () => Date.now() * 1000 + offset;
    const databases = [new Database({ dir, maxBytes }), new Database({ dir, maxBytes })];
    const [store, other] = databases.map((database) => new EmbeddedSessions(database, { nowUs }));
    under = {
      store: store!,
      other: other!,
      nowUs,
      advance: (seconds) => void (offset += seconds * 1e6),
    };
    close = () => databases.forEach((database) => void database.close());
  });
  afterAll(() => close());
  sessionSuite(() => under);
});

describe('the embedded store', () => {
  const open: Database[] = [];
  const database = (dir: string, bytes = maxBytes, busyMs?: number): Database => {
    const opened = new Database({ dir, maxBytes: bytes, ...(busyMs === undefined ? {} : { busyMs }) });
    open.push(opened);
    return opened;
  };
  afterEach(() => {
    for (const one of open.splice(0)) one.close();
  });
  const session = (expiresUs = Date.now() * 1000 + 3_600e6) => ({
    id: randomUUID(),
    createdUs: Date.now() * 1000,
    expiresUs,
    contextJson: '{}',
  });
  const failureOf = (promise: Promise<unknown>) =>
    promise.then(
      () => null,
      (error: { reason: ErrorReason; rawMessage: string }) => error,
    );

  test('makes its folder when it is first used, for its owner alone', async () => {
    const dir = path.join(folder(), 'a/b');
    const one = database(dir);
    expect(existsSync(dir)).toBe(false);
    expect(one.opened).toBe(false);
    await new EmbeddedSessions(one).create('', session());
    expect(one.opened).toBe(true);
    expect(statSync(dir).mode & 0o077).toBe(0);
  });

  test('keeps its files from others in a folder that everybody reads', async () => {
    const dir = folder();
    chmodSync(dir, 0o755);
    await new EmbeddedSessions(database(dir)).create('', session());
    const modes = readdirSync(dir).map((name) => [name, statSync(path.join(dir, name)).mode & 0o077]);
    expect(modes.sort()).toEqual([
      ['gateway.db', 0],
      ['gateway.db-shm', 0],
      ['gateway.db-wal', 0],
    ]);
  });

  test('has after a restart what it had before', async () => {
    const dir = folder();
    const kept = session();
    const before = database(dir);
    await new EmbeddedSessions(before).create('', kept);
    before.close();
    expect(await new EmbeddedSessions(database(dir)).read('', kept.id)).toMatchObject(kept);
  });

  test('clears expired sessions away with their messages, and gives the space back', async () => {
    const dir = folder();
    const one = database(dir);
    const sessions = new EmbeddedSessions(one);
    const stays = session();
    await sessions.create('', stays);
    const size = () => Number(one.get('PRAGMA page_count')?.['page_count']);
    const small = size();
    for (let i = 0; i < 450; i++) {
      const old = session(Date.now() * 1000 + 1e9);
      await sessions.create('', old);
      const what = { holder: 'h', after: 0, messages: [new Uint8Array(10_000)], maxBytes };
      await sessions.append('', old.id, what);
    }
    expect(size()).toBeGreaterThan(small + 900);
    const later = new EmbeddedSessions(one, { nowUs: () => Date.now() * 1000 + 2e9 });
    let batches = 1;
    while (later.sweep()) batches++;
    one.shrink();
    expect(batches).toBe(3);
    expect(one.all('SELECT id FROM sessions').map(({ id }) => id)).toEqual([stays.id]);
    expect(one.get('SELECT count(*) AS n FROM session_messages')?.['n']).toBe(0);
    expect(size()).toBeLessThan(small + 50);
  });

  test('grows to its bound; then it says so, and still reads', async () => {
    const one = new EmbeddedSessions(database(folder(), 2 ** 20));
    const big = session();
    await one.create('', big);
    const messages = [new Uint8Array(2 ** 20)];
    const failure = await failureOf(one.append('', big.id, { holder: 'h', after: 0, messages, maxBytes }));
    expect(failure?.reason).toBe(ErrorReason.DEPENDENCY_UNAVAILABLE);
    expect(failure?.rawMessage).toBe(
      'the embedded store is not available: its file is as large as it may be, or the disk is full',
    );
    expect((await one.read('', big.id))?.messages).toEqual([]);
  });

  test('waits no longer than it may for another process that writes', async () => {
    const dir = folder();
    const one = new EmbeddedSessions(database(dir, maxBytes, 20));
    await one.create('', session());
    const other = new DatabaseSync(path.join(dir, 'gateway.db'));
    other.exec('BEGIN IMMEDIATE');
    const failure = await failureOf(one.create('', session()));
    expect(failure?.rawMessage).toContain('another process is writing');
    other.exec('COMMIT');
    other.close();
    await one.create('', session());
  });

  test.each([
    [
      'is no database',
      (file: string) => writeFileSync(file, 'x'.repeat(10_000)),
      'its file is not a database',
    ],
    ['is a folder', (file: string) => mkdirSync(file), 'its file cannot be opened'],
    [
      'is of a newer version',
      (file: string) => {
        const newer = new DatabaseSync(file);
        newer.exec('PRAGMA user_version = 99');
        newer.close();
      },
      `its file is of version 99, which a newer gateway made; this one knows ${migrations.length}`,
    ],
  ])('says why when its file %s, and recovers when that is mended', async (_name, spoil, why) => {
    const dir = folder();
    const file = path.join(dir, 'gateway.db');
    spoil(file);
    const sessions = new EmbeddedSessions(database(dir));
    const failure = await failureOf(sessions.create('', session()));
    expect(failure?.reason).toBe(ErrorReason.DEPENDENCY_UNAVAILABLE);
    expect(failure?.rawMessage).toBe(`the embedded store is not available: ${why}`);
    for (const end of ['', '-wal', '-shm']) rmSync(`${file}${end}`, { recursive: true, force: true });
    await sessions.create('', session());
  });

  test('two processes that start at once make the tables once', async () => {
    const dir = folder();
    const stores = Array.from({ length: 4 }, () => new EmbeddedSessions(database(dir)));
    await Promise.all(stores.map((store) => store.create('', session())));
    expect((await stores[0]!.list('', 10, '')).sessions.length).toBe(4);
  });
});

describe('the data folder', () => {
  test('is refused at the start when it cannot be', () => {
    const file = path.join(folder(), 'file');
    writeFileSync(file, '');
    for (const dir of [file, path.join(file, 'data')]) {
      expect(() => checkDataDir(dir)).toThrow(ConfigError);
      expect(() => checkDataDir(dir)).toThrow(
        /^LLM_GATEWAY_DATA_DIR: is ".*", has to be a folder that can be/,
      );
    }
  });

  test('is taken, and not made yet, where it can be made', () => {
    const dir = path.join(folder(), 'a', 'b', 'c');
    checkDataDir(dir);
    checkDataDir(dir, true);
    expect(existsSync(path.dirname(dir))).toBe(false);
    expect(readdirSync(path.dirname(path.dirname(path.dirname(dir))))).toEqual([]);
  });

  // Root may do everything there, and still nothing can be made.
  test.skipIf(process.platform !== 'linux')(
    'is refused where it could be made by all rights, and is not',
    () => {
      for (const dir of ['/proc/x', '/proc/x/y']) {
        expect(() => checkDataDir(dir, true)).toThrow(
          /^LLM_GATEWAY_DATA_DIR: is "\/proc\/x.*", has to be a folder that can be written, or made \(.*\/proc: E/,
        );
      }
    },
  );
});
