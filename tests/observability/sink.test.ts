import { spawn } from 'node:child_process';
import type fs from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { fileSink } from '../../src/observability/sink.ts';

type Written = (error: NodeJS.ErrnoException | null, bytes: number) => void;

/** A file descriptor whose every write is answered by the test. */
function slowFile() {
  const writes: { text: string; done: Written }[] = [];
  const direct: string[] = [];
  let failure: string | null = null;
  const files = {
    write: (_fd: number, chunk: Buffer, done: Written) => void writes.push({ text: chunk.toString(), done }),
    writeSync: (_fd: number, chunk: Buffer): number => {
      if (failure !== null) throw Object.assign(new Error('x'), { code: failure });
      direct.push(chunk.toString());
      return chunk.length;
    },
  } as unknown as Pick<typeof fs, 'write' | 'writeSync'>;
  const sink = fileSink({ fd: 1, files, maxHeld: 10, lostLine: (lost) => `lost ${lost}\n` });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const answer = async (bytes: number, code?: string): Promise<void> => {
    const { done } = writes.at(-1)!;
    done(code === undefined ? null : Object.assign(new Error('x'), { code }), bytes);
    await turn();
  };
  return {
    sink,
    turn,
    answer,
    direct,
    texts: () => writes.map((write) => write.text),
    fail: (code: string | null) => {
      failure = code;
    },
  };
}

describe('writing', () => {
  test('lines of one turn leave together, later ones after them', async () => {
    const { sink, turn, answer, texts } = slowFile();
    sink.write('a\n');
    sink.write('b\n');
    expect(texts()).toEqual([]);
    await turn();
    sink.write('c\n');
    await turn();
    sink.write('d\n');
    await turn();
    expect(texts()).toEqual(['a\nb\n']);
    await answer(4);
    expect(texts()).toEqual(['a\nb\n', 'c\nd\n']);
    await answer(4);
    sink.write('e\n');
    await turn();
    expect(texts()).toEqual(['a\nb\n', 'c\nd\n', 'e\n']);
  });

  test('what was written in part is gone on with', async () => {
    const { sink, turn, answer, texts } = slowFile();
    sink.write('abc\n');
    await turn();
    await answer(1);
    sink.write('d\n');
    await answer(2);
    await answer(1);
    expect(texts()).toEqual(['abc\n', 'bc\n', '\n', 'd\n']);
  });

  test.each(['EAGAIN', 'EINTR', 'ENOSPC'])('%s is tried again', async (code) => {
    const { sink, turn, answer, texts } = slowFile();
    sink.write('a\n');
    await turn();
    await answer(0, code);
    await expect.poll(texts).toEqual(['a\n', 'a\n']);
  });

  test.each(['EPIPE', 'EBADF', 'EIO'])('after %s nothing is written, and nothing thrown', async (code) => {
    const { sink, turn, answer, texts, direct } = slowFile();
    sink.write('a\n');
    await turn();
    await answer(0, code);
    sink.write('b\n');
    await turn();
    sink.flushSync();
    expect([texts(), direct]).toEqual([['a\n'], []]);
  });

  test('while nobody reads, lines beyond the bound are lost, and counted', async () => {
    const { sink, turn, answer, texts } = slowFile();
    sink.write('1234\n');
    await turn();
    for (let i = 0; i < 5; i++) sink.write('abcd\n');
    await answer(5);
    expect(texts()).toEqual(['1234\n', 'abcd\nabcd\nlost 3\n']);
    sink.write('5\n');
    await answer(17);
    expect(texts().at(-1)).toBe('5\n');
  });
});

describe('the end of the process', () => {
  test('what is held is written at once', () => {
    const { sink, direct } = slowFile();
    sink.write('a\n');
    sink.write('b\n');
    sink.flushSync();
    sink.flushSync();
    expect(direct).toEqual(['a\nb\n']);
  });

  test('what the system has already is not written twice', async () => {
    const { sink, turn, answer, direct, texts } = slowFile();
    sink.write('a\n');
    await turn();
    sink.write('b\n');
    sink.flushSync();
    expect(direct).toEqual(['b\n']);
    await answer(2);
    expect(texts()).toEqual(['a\n']);
  });

  test('a reader that does not read is waited for, not for ever', () => {
    const { sink, direct, fail } = slowFile();
    fail('EAGAIN');
    sink.write('a\n');
    const began = performance.now();
    sink.flushSync();
    expect(performance.now() - began).toBeGreaterThan(500);
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(direct).toEqual([]);
  });

  test('one that has left is not', () => {
    const { sink, fail } = slowFile();
    fail('EPIPE');
    sink.write('a\n');
    sink.flushSync();
  });
});

describe('a real process', () => {
  const log = path.resolve(import.meta.dirname, '../../src/observability/log.ts');
  const run = (code: string) =>
    spawn(process.execPath, [
      '--input-type=module',
      '-e',
      `import { createLogger } from '${log}';
      const log = createLogger({ service: 's', level: 'INFO' }); ${code}`,
    ]);

  test.each(['process.exit(0)', 'setTimeout(() => process.exit(0), 50)', ';', "throw new Error('x')"])(
    'writes every line before its end by %j',
    async (end) => {
      const child = run(`for (let i = 0; i < 1_000; i++) log.info('x'.repeat(200), { i }); ${end}`);
      const lines = (await text(child.stdout)).trim().split('\n');
      expect(lines.map((line) => JSON.parse(line).i)).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
    },
  );

  test('goes on when nobody reads: its event loop does not wait', async () => {
    const child = run(`
      for (let i = 0; i < 50; i++) log.info('x'.repeat(8_000));
      setTimeout(() => process.stderr.write('alive'), 20);`);
    // Nothing is read from its standard output, whose pipe holds less than this.
    child.stdout.pause();
    const said = await new Promise((resolve) => child.stderr.once('data', (chunk) => resolve(String(chunk))));
    expect(said).toBe('alive');
    child.stdout.destroy();
    await new Promise((resolve) => child.once('close', resolve));
  });

  test('goes on when the reader has left', async () => {
    const child = run(`
      process.stdin.once('data', () => {
        log.info('one');
        setTimeout(() => { log.info('two'); setTimeout(() => process.exit(7), 50); }, 50);
      });`);
    child.stdout.destroy();
    child.stdin.write('go');
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(7);
  });
});
