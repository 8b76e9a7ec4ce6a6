import { EventEmitter } from 'node:events';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { openSse, type SseSink } from '../../src/http/sse-writer.ts';

afterEach(() => {
  vi.useRealTimers();
});

/** A sink that only notes what it is told. */
class NotedSink extends EventEmitter implements SseSink {
  notes: string[] = [];
  writableNeedDrain = false;
  writableEnded = false;
  destroyed = false;
  writeHead(status: number): void {
    this.notes.push(`head ${status}`);
  }
  flushHeaders(): void {
    this.notes.push('flush');
  }
  write(chunk: string): boolean {
    this.notes.push(chunk);
    return !this.writableNeedDrain;
  }
  end(chunk?: string): void {
    this.notes.push(`end ${chunk ?? ''}`);
  }
}

describe('keep-alives', () => {
  const useFakeTime = () =>
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'performance', 'setImmediate', 'clearImmediate'],
    });

  test('come after silence only, from the head on', () => {
    useFakeTime();
    const sink = new NotedSink();
    const writer = openSse(sink, { status: 207 });
    vi.advanceTimersByTime(15_020);
    expect(sink.notes).toEqual(['head 207', 'flush', ': keep-alive\n\n']);
    vi.advanceTimersByTime(10_000);
    writer.write('data: x\n\n');
    vi.advanceTimersByTime(14_900);
    expect(sink.notes.slice(3)).toEqual(['data: x\n\n']);
    vi.advanceTimersByTime(15_200);
    expect(sink.notes.slice(4)).toEqual([': keep-alive\n\n', ': keep-alive\n\n']);
    writer.end();
    expect(sink.notes.at(-1)).toBe('end ');
  });

  test('stop at the end, and when the client leaves', () => {
    useFakeTime();
    for (const stop of ['end', 'close', 'error'] as const) {
      const sink = new NotedSink();
      const writer = openSse(sink);
      if (stop === 'end') writer.end();
      else sink.emit(stop);
      const noted = sink.notes.length;
      vi.advanceTimersByTime(100_000);
      expect(sink.notes).toHaveLength(noted);
      expect(sink.listenerCount('close') + sink.listenerCount('drain')).toBe(0);
    }
    expect(vi.getTimerCount()).toBe(0);
  });

  test('are left out while the client takes nothing', () => {
    useFakeTime();
    const sink = new NotedSink();
    const writer = openSse(sink);
    sink.writableNeedDrain = true;
    expect(writer.write('data: x\n\n')).toBeInstanceOf(Promise);
    vi.advanceTimersByTime(100_000);
    expect(sink.notes.at(-1)).toBe('data: x\n\n');
    sink.writableNeedDrain = false;
    vi.advanceTimersByTime(15_020);
    expect(sink.notes.at(-1)).toBe(': keep-alive\n\n');
    writer.end();
  });

  test('can look otherwise, come oftener, or never', () => {
    useFakeTime();
    const pinged = new NotedSink();
    const silent = new NotedSink();
    const writers = [
      openSse(pinged, { keepAliveMs: 1_000, keepAliveFrame: 'event: ping\ndata: {}\n\n' }),
      openSse(silent, { keepAliveMs: Infinity }),
    ];
    vi.advanceTimersByTime(3_100);
    expect(pinged.notes.filter((note) => note.startsWith('event: ping'))).toHaveLength(3);
    expect(silent.notes).toEqual(['head 200', 'flush']);
    for (const writer of writers) writer.end();
  });
});
