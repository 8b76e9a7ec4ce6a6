import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifyAll } from '../../scripts/audit-verify.ts';
import { type Link, nextLine, readLink } from '../../src/audit/chain.ts';
import type { AuditEntry } from '../../src/audit/entry.ts';
import { fullFiles, pathOfWorker } from '../../src/audit/files.ts';
import { AuditTrail, type TrailFiles, type TrailOptions } from '../../src/audit/trail.ts';
import { verifyTrail } from '../../src/audit/verify.ts';
import { createLogger } from '../../src/observability/log.ts';

let folder: string;
let file: string;
let log: Record<string, unknown>[];
let counted: Record<string, number>;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(tmpdir(), 'audit-'));
  file = path.join(folder, 'trail', 'audit.jsonl');
  log = [];
  counted = { written: 0, lost: 0, failures: 0 };
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

function open(more: Partial<TrailOptions> = {}): AuditTrail {
  return new AuditTrail({
    file,
    maxFileBytes: 1e9,
    maxHeldBytes: 1e9,
    log: createLogger({ service: 't', level: 'DEBUG', sink: (line) => void log.push(JSON.parse(line)) }),
    onLines: (outcome, lines) => void (counted[outcome] = (counted[outcome] ?? 0) + lines),
    onFailure: () => void counted['failures']!++,
    pauseMs: 1,
    ...more,
  });
}

const entry = (n: number): AuditEntry => ({
  ts: '2026-01-01T00:00:00.000Z',
  request_id: `r${n}`,
  tenant: '',
  principal: 'anonymous',
  endpoint: 'openai.chat',
  status: 'success',
});

async function fill(count: number, more: Partial<TrailOptions> = {}): Promise<void> {
  const trail = open(more);
  for (let i = 0; i < count; i++) trail.write(entry(i));
  await trail.close(5_000);
}

const settled = async (count: number): Promise<void> => {
  while ((counted['written'] as number) < count) await new Promise((resolve) => setTimeout(resolve, 1));
};

const linesOf = (one: string): string[] => fs.readFileSync(one, 'utf8').split('\n').slice(0, -1);
const rewrite = (one: string, lines: readonly string[]): void =>
  fs.writeFileSync(one, `${lines.join('\n')}\n`);

describe('a trail', () => {
  test('is one line of JSON for each entry, in a file that only its owner reads', async () => {
    await fill(3);
    const lines = linesOf(file).map((line) => JSON.parse(line));
    expect(lines.map(({ seq, request_id: id }) => [seq, id])).toEqual([
      [1, 'r0'],
      [2, 'r1'],
      [3, 'r2'],
    ]);
    expect([lines[0].prev, lines[1].prev]).toEqual(['0'.repeat(64), lines[0].hash]);
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    expect(await verifyTrail(file)).toMatchObject({ lines: 3, fault: null, from: 1, torn: false });
    expect(counted).toEqual({ written: 3, lost: 0, failures: 0 });
  });

  test('is whole also where clients name things with the separators of lines that JSON leaves as they are', async () => {
    const trail = open();
    trail.write({ ...entry(0), user: 'a\u2028b', session_id: 'c\u2029d', model_requested: '\u0085' });
    trail.write(entry(1));
    await trail.close(5_000);
    expect(await verifyTrail(file)).toMatchObject({ lines: 2, fault: null, torn: false });
  });

  test('goes on over restarts and changes of files', async () => {
    for (let run = 0; run < 4; run++) await fill(25, { maxFileBytes: 4_096 });
    const files = fullFiles(file);
    expect(files.length).toBeGreaterThan(3);
    for (const one of [...files, file]) expect(fs.statSync(one).size).toBeLessThanOrEqual(4_096);
    const verified = await verifyTrail(file);
    expect(verified).toMatchObject({ lines: 100, fault: null, from: 1 });
    expect(verified.end?.seq).toBe(100);
    // Also when the process ended right after a change of files.
    fs.renameSync(file, `${file}.${String(files.length + 1).padStart(6, '0')}`);
    await fill(1);
    expect(await verifyTrail(file)).toMatchObject({ lines: 101, fault: null });
  });

  test('goes on after a line that was not finished', async () => {
    await fill(2);
    fs.appendFileSync(file, '{"seq":3,"ts":"20');
    expect(await verifyTrail(file)).toMatchObject({ lines: 2, fault: null, torn: true });
    await fill(1);
    expect(await verifyTrail(file)).toMatchObject({ lines: 3, fault: null, torn: false });
    expect(log.map(({ level }) => level)).toEqual(['WARN']);
  });

  test('is not gone on with when its end was changed', async () => {
    await fill(2);
    rewrite(file, [linesOf(file)[0] as string, (linesOf(file)[1] as string).replace('r1', 'r9')]);
    expect(() => open()).toThrow(/last line of .* was changed/);
  });
});

describe('a file that somebody else', () => {
  const others: Record<string, () => void> = {
    'has removed': () => fs.rmSync(file),
    'has put away': () => fs.renameSync(file, `${file}.old`),
    'has put away, with an empty one in its place': () => {
      fs.renameSync(file, `${file}.old`);
      fs.writeFileSync(file, '');
    },
    'has removed with its folder': () => fs.rmSync(path.dirname(file), { recursive: true }),
  };
  for (const [what, change] of Object.entries(others)) {
    test.each([1e9, 4_096])(`${what} does not end the trail: of %d bytes at most`, async (maxFileBytes) => {
      const trail = open({ maxFileBytes });
      for (let i = 0; i < 3; i++) trail.write(entry(i));
      await settled(3);
      change();
      for (let i = 3; i < 40; i++) {
        trail.write(entry(i));
        await settled(i + 1);
      }
      await trail.close(1_000);
      expect(counted).toEqual({ written: 40, lost: 0, failures: 1 });
      expect(log).toMatchObject([
        { level: 'ERROR', message: expect.stringContaining('removed or put away') },
      ]);
      expect(await verifyTrail(file)).toMatchObject({ lines: 37, fault: null, from: 4 });
    });
  }

  test('empties is gone on with', async () => {
    const trail = open({ maxFileBytes: 4_096 });
    for (let i = 0; i < 5; i++) trail.write(entry(i));
    await settled(5);
    fs.truncateSync(file);
    for (let i = 5; i < 8; i++) trail.write(entry(i));
    await trail.close(1_000);
    expect(await verifyTrail(file)).toMatchObject({ lines: 3, fault: null, from: 6 });
  });

  test('removes while a full one gets its number does not end the trail either', async () => {
    const rename: TrailFiles['rename'] = async (from, to) => {
      fs.rmSync(from, { force: true });
      return fs.promises.rename(from, to);
    };
    await fill(40, { maxFileBytes: 4_096, files: { ...fs.promises, rename } });
    expect([counted['written'], counted['lost']]).toEqual([40, 0]);
    expect((await verifyTrail(file)).fault).toBeNull();
  });
});

describe('a file that is no good any more', () => {
  /** Files of which the first one that is opened is spoilt. */
  function files(spoil: (handle: fs.promises.FileHandle) => void): TrailFiles {
    let spoilt = false;
    const open: TrailFiles['open'] = async (...given) => {
      const handle = await fs.promises.open(...given);
      if (!spoilt) spoil(handle);
      spoilt = true;
      return handle;
    };
    return { ...fs.promises, open };
  }
  const failure = (code: string) => Object.assign(new Error(code), { code });

  test('because its closing has failed, is written no further, and the trail goes on', async () => {
    const noRoom = files((handle) => {
      const close = handle.close.bind(handle);
      handle.close = async () => {
        await close();
        throw failure('ENOSPC');
      };
    });
    const trail = open({ maxFileBytes: 4_096, files: noRoom });
    for (let i = 0; i < 40; i++) {
      trail.write(entry(i));
      await settled(i + 1);
    }
    await trail.close(1_000);
    expect(counted).toEqual({ written: 40, lost: 0, failures: 1 });
    expect(await verifyTrail(file)).toMatchObject({ lines: 40, fault: null });
    expect(fullFiles(file).length).toBeGreaterThan(1);
  });

  test('because the disk has forgotten it, gives way to a new one', async () => {
    const stale = files((handle) => {
      handle.stat = (() => Promise.reject(failure('ESTALE'))) as typeof handle.stat;
      const close = handle.close.bind(handle);
      handle.close = async () => {
        await close();
        throw failure('ESTALE');
      };
    });
    const trail = open({ files: stale });
    for (let i = 0; i < 5; i++) {
      trail.write(entry(i));
      await settled(i + 1);
    }
    await trail.close(1_000);
    expect(counted).toEqual({ written: 5, lost: 0, failures: 1 });
    expect(await verifyTrail(file)).toMatchObject({ lines: 5, fault: null });
  });
});

describe('verifying', () => {
  const faultOf = async (change: (lines: string[]) => string[]) => {
    await fill(10);
    rewrite(file, change(linesOf(file)));
    return (await verifyTrail(file)).fault;
  };

  test('names the first line that was changed', async () => {
    const fault = await faultOf((lines) =>
      lines.map((line, i) => (i === 3 || i === 7 ? line.replace('success', 'failure') : line)),
    );
    expect(fault).toMatchObject({ line: 4, what: 'was changed' });
  });

  test.each<[string, number, (lines: string[]) => string[]]>([
    ['one that was removed', 5, (lines) => lines.toSpliced(4, 1)],
    ['one that was added twice', 6, (lines) => lines.toSpliced(4, 0, lines[4] as string)],
    ['two that changed places', 3, (lines) => lines.toSpliced(2, 2, lines[3] as string, lines[2] as string)],
    ['a line of something else', 4, (lines) => lines.toSpliced(3, 0, 'hello')],
    ['an empty line', 4, (lines) => lines.toSpliced(3, 0, '')],
  ])('finds %s', async (_what, line, change) => {
    expect(await faultOf(change)).toMatchObject({ line });
  });

  test('finds a line that was made anew with its hash, at the one after it', async () => {
    const fault = await faultOf((lines) => {
      const before = readLink(lines[2] as string) as Link;
      const forged = nextLine(before, { ...entry(3), status: 'failure' }).line.trimEnd();
      return lines.toSpliced(3, 1, forged);
    });
    expect(fault).toMatchObject({ line: 5, what: expect.stringContaining('one of the two was changed') });
  });

  test('any change of one character is found', async () => {
    await fill(4);
    const text = fs.readFileSync(file, 'utf8');
    for (let i = 0; i < text.length - 1; i += 7) {
      const other = text[i] === 'x' ? 'y' : 'x';
      fs.writeFileSync(file, `${text.slice(0, i)}${other}${text.slice(i + 1)}`);
      const { fault } = await verifyTrail(file);
      expect(fault, `character ${i}`).not.toBeNull();
    }
  });

  test('finds a full file that is missing in the middle; says where the oldest are', async () => {
    await fill(60, { maxFileBytes: 4_096 });
    const [first, second, third] = fullFiles(file) as [string, string, string];
    const kept = fs.readFileSync(second);
    fs.rmSync(second);
    expect((await verifyTrail(file)).fault).toMatchObject({ file: third, line: 1 });
    fs.writeFileSync(second, kept);
    fs.rmSync(first);
    const { fault, from } = await verifyTrail(file);
    expect([fault, from > 1]).toEqual([null, true]);
    const said = await verifyAll(file);
    expect([said.ok, said.lines.join('\n')]).toEqual([
      false,
      expect.stringContaining('older files are not here'),
    ]);
    expect(await verifyAll(file, { archived: true })).toMatchObject({ ok: true });
  });

  test('takes the files of all workers', async () => {
    await fill(2);
    const second = pathOfWorker(file, 2);
    expect(path.basename(second)).toBe('audit.w2.jsonl');
    await fill(3, { file: second });
    expect(await verifyAll(file)).toMatchObject({ ok: true });
    rewrite(second, linesOf(second).slice(1).toReversed());
    const { ok, lines } = await verifyAll(file);
    expect([ok, lines.join('\n')]).toEqual([false, expect.stringContaining(`${second}:2: `)]);
    expect((await verifyAll(path.join(folder, 'none'))).ok).toBe(false);
  });

  test('does not pass over a trail whose latest file is missing', async () => {
    const third = pathOfWorker(file, 3);
    for (const one of [file, pathOfWorker(file, 2), third])
      await fill(40, { file: one, maxFileBytes: 4_096 });
    expect(await verifyAll(file)).toMatchObject({ ok: true });
    const full = fullFiles(third);
    expect(full.length).toBeGreaterThan(1);
    fs.rmSync(third);
    const { ok, lines } = await verifyAll(file);
    expect([ok, lines.join('\n')]).toEqual([false, expect.stringContaining(`${third} is missing`)]);
    // Nor over all of one: there are three workers as long as anything of the third is there.
    fs.writeFileSync(third, '');
    const second = pathOfWorker(file, 2);
    for (const one of [second, ...fullFiles(second)]) fs.rmSync(one);
    const without = await verifyAll(file);
    expect([without.ok, without.lines.join('\n')]).toEqual([
      false,
      expect.stringContaining(`no audit trail at ${second}`),
    ]);
    for (const one of [third, ...full]) fs.rmSync(one);
    expect(await verifyAll(file)).toMatchObject({ ok: true });
    expect(await verifyAll(file, { workers: 3 })).toMatchObject({ ok: false });
  });
});

describe('a disk that takes nothing', () => {
  /** Files on a disk with room for so many bytes. */
  function disk(room: { bytes: number }): TrailFiles {
    const open: TrailFiles['open'] = async (...given) => {
      const handle = await fs.promises.open(...given);
      const write = handle.write.bind(handle) as (
        buffer: Buffer,
        offset: number,
        length: number,
      ) => Promise<{ bytesWritten: number }>;
      handle.write = (async (buffer: Buffer, offset: number, length: number) => {
        if (room.bytes <= 0)
          throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
        const most = Math.min(length, room.bytes);
        room.bytes -= most;
        return write(buffer, offset, most);
      }) as unknown as typeof handle.write;
      return handle;
    };
    return { open, rename: fs.promises.rename, stat: fs.promises.stat };
  }

  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1));
  };

  test('is logged once and counted; lines wait, and the chain holds when there is room again', async () => {
    const room = { bytes: 1_000 };
    const trail = open({ files: disk(room) });
    for (let i = 0; i < 10; i++) trail.write(entry(i));
    await until(() => (counted['failures'] as number) >= 3);
    expect(log.filter(({ level }) => level === 'ERROR')).toHaveLength(1);
    room.bytes = 1e9;
    trail.write(entry(10));
    await until(() => counted['written'] === 11);
    await trail.close(1_000);
    expect(await verifyTrail(file)).toMatchObject({ lines: 11, fault: null });
    expect(log.at(-1)).toMatchObject({ message: 'the audit trail is written again' });
  });

  test('loses lines beyond the bound, counts them, and the next line says how many', async () => {
    const room = { bytes: 0 };
    const trail = open({ files: disk(room), maxHeldBytes: 2_000 });
    for (let i = 0; i < 5; i++) trail.write(entry(i));
    await until(() => (counted['failures'] as number) >= 1);
    for (let i = 5; i < 100; i++) trail.write(entry(i));
    const lost = counted['lost'] as number;
    expect(lost).toBeGreaterThan(50);
    room.bytes = 1e9;
    await until(() => counted['written'] === 100 - lost);
    trail.write(entry(100));
    await trail.close(1_000);
    expect(JSON.parse(linesOf(file).at(-1) as string)).toMatchObject({
      request_id: 'r100',
      lost_before: lost,
    });
    expect(await verifyTrail(file)).toMatchObject({ lines: 101 - lost, fault: null });
  });

  test('that never answers does not keep the gateway from ending either', async () => {
    const never = new Promise<never>(() => {});
    const handle = { write: () => never, close: () => never, stat: () => never };
    const trail = open({ files: { ...fs.promises, open: async () => handle as never } });
    trail.write(entry(0));
    await new Promise(setImmediate);
    await trail.close(20);
    expect(counted['lost']).toBe(1);
  });

  test('does not keep the gateway from ending, which tells what is lost', async () => {
    const trail = open({ files: disk({ bytes: 100 }) });
    for (let i = 0; i < 5; i++) trail.write(entry(i));
    await until(() => (counted['failures'] as number) >= 1);
    await trail.close(50);
    expect(log.at(-1)).toMatchObject({ level: 'ERROR', lines: 5 });
    expect(counted['lost']).toBe(5);
    trail.write(entry(6));
    expect(counted['lost']).toBe(6);
    // What was half written is cut off, and the trail goes on.
    await fill(1);
    expect(await verifyTrail(file)).toMatchObject({ lines: 1, fault: null });
  });
});
