import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type SseEvent, SseReader } from '../../src/http/sse-reader.ts';
import { cutAt, everyCut } from './support/cuts.ts';
import { recordedStreams } from './support/recordings.ts';

interface Reading {
  events: SseEvent[];
  truncated: boolean;
  leftover: string;
  comments: number;
}

function readAll(pieces: Buffer[]): Reading {
  const reader = new SseReader();
  const events: SseEvent[] = [];
  for (const piece of pieces) reader.push(piece, events);
  const truncated = reader.end(events);
  return { events, truncated, leftover: reader.leftover(), comments: reader.comments };
}

const read = (text: string): Reading => readAll([Buffer.from(text)]);
const data = (text: string): string[] => read(text).events.map((event) => event.data);

describe('what an event stream means', () => {
  test.each([
    ['a line of data', 'data: x\n\n', ['x']],
    ['only one space is taken off', 'data:  x\n\n', [' x']],
    ['no space', 'data:x\n\n', ['x']],
    ['lines are joined', 'data: a\ndata:\ndata: b\n\n', ['a\n\nb']],
    ['data without a colon is an empty line', 'data\n\n', ['']],
    ['data that is empty is an event', 'data:\n\n', ['']],
    ['no data, no event', 'event: ping\n\nid: 1\n\n\n\n', []],
    ['a field like data', 'data2: x\nDATA: x\n data: x\n\n', []],
    ['\\r\\n', 'data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n', ['a\nb', 'c']],
    ['\\r', 'data: a\rdata: b\r\rdata: c\r\r', ['a\nb', 'c']],
    ['all line ends', 'data: a\rdata: b\ndata: c\r\n\rdata: d\n\r\ndata: e\r\n\n', ['a\nb\nc', 'd', 'e']],
    ['a byte order mark', '\ufeffdata: x\n\n', ['x']],
    ['only one byte order mark', '\ufeff\ufeffdata: x\n\n', []],
    ['no byte order mark later', 'data: x\n\n\ufeffdata: y\n\n', ['x']],
    ['colons in a value', 'data: a:b: c\n\n', ['a:b: c']],
    ['a null byte in data', 'data: a\0b\n\n', ['a\0b']],
  ])('%s', (_name, text, expected) => {
    expect(data(text)).toEqual(expected);
  });

  test('types and ids: a type holds for its event, an id until the next one', () => {
    const text = 'event: a\nid: 1\ndata: x\n\ndata: y\n\nid\nevent\ndata: z\n\nid: 2\0\ndata: w\n\n';
    expect(read(text).events).toEqual([
      { event: 'a', data: 'x', id: '1' },
      { event: '', data: 'y', id: '1' },
      { event: '', data: 'z', id: '' },
      { event: '', data: 'w', id: '' },
    ]);
  });

  test('a type is forgotten with an event that has no data', () => {
    expect(read('event: a\n\ndata: x\n\n').events).toEqual([{ event: '', data: 'x', id: '' }]);
  });

  test('comments are counted, retry is ignored', () => {
    const reading = read(': OPENROUTER PROCESSING\n\n:\nretry: 10\ndata: x\n\n');
    expect(reading).toMatchObject({ comments: 2, events: [{ data: 'x' }], leftover: '', truncated: false });
  });

  test('an event is there as soon as its last byte is', () => {
    for (const end of ['\n\n', '\r\n\r', '\r\r']) {
      const reader = new SseReader();
      const events: SseEvent[] = [];
      const bytes = Buffer.from(`data: x${end}`);
      reader.push(bytes.subarray(0, -1), events);
      expect(events).toEqual([]);
      reader.push(bytes.subarray(-1), events);
      expect(events).toHaveLength(1);
    }
  });
});

describe('the end of a stream', () => {
  test.each([
    ['between events', 'data: x\n\n', ['x'], false],
    ['nothing at all', '', [], false],
    ['a comment after the last event', 'data: x\n\n: bye\n', ['x'], false],
    ['the blank line missing', 'data: x\n\ndata: [DONE]\n', ['x', '[DONE]'], true],
    ['the line end missing', 'data: x\n\ndata: [DONE]', ['x', '[DONE]'], true],
    ['inside a line', 'data: x\n\ndata: {"a"', ['x', '{"a"'], true],
    ['inside a name', 'data: x\n\nda', ['x'], true],
    ['after a type', 'event: x\n', [], true],
    ['after \\r of a blank line', 'data: x\r\n\r', ['x'], false],
  ])('%s', (_name, text, expected, truncated) => {
    const reading = read(text);
    expect(reading.events.map((event) => event.data)).toEqual(expected);
    expect(reading.truncated).toBe(truncated);
  });
});

describe('what is no event stream', () => {
  test.each([
    ['JSON on one line', '{"error":{"message":"no"}}'],
    ['JSON on many lines', '{\n  "error": {\n    "message": "no: way"\n  }\n}\n'],
    ['JSON lines', '{"a":1}\n{"b":2}\n'],
    ['JSON with \\r\\n', '{\r\n"a":1}\r\n'],
  ])('%s is left over whole', (_name, text) => {
    const reading = read(text);
    expect(reading).toMatchObject({ events: [], truncated: false });
    expect(reading.leftover.replaceAll('\n', '')).toBe(text.replaceAll(/[\r\n]/g, ''));
  });

  test('an error between events is left over, too', () => {
    const reading = read('data: x\n\n{"error":"overloaded"}\n\ndata: y\n\n');
    expect(reading.events.map((event) => event.data)).toEqual(['x', 'y']);
    expect(JSON.parse(reading.leftover)).toEqual({ error: 'overloaded' });
  });

  test('it is bounded', () => {
    expect(read('no such field\n'.repeat(10_000)).leftover).toHaveLength(64 * 1024);
    expect(read('x'.repeat(1_000_000)).leftover).toHaveLength(64 * 1024);
  });
});

describe('the bound of an event', () => {
  const tooLarge = (text: string, size = text.length) => {
    const reader = new SseReader(1000);
    const push = () => {
      for (let at = 0; at < text.length; at += size) reader.push(Buffer.from(text.slice(at, at + size)), []);
    };
    expect(push).toThrow(expect.objectContaining({ name: 'UpstreamError', kind: 'too_large' }));
  };

  test.each([1, 7, 2000])('in pieces of %i bytes', (size) => {
    tooLarge(`data: ${'x'.repeat(1001)}\n\n`, size);
    tooLarge(`data: ${'x'.repeat(1001)}`, size);
    tooLarge('data: 12345678\n'.repeat(126), size);
    tooLarge(`id: ${'x'.repeat(999)}\nevent: xy\n`, size);
  });

  test('it is of one event, not of the stream', () => {
    const reader = new SseReader(1000);
    const events: SseEvent[] = [];
    for (let i = 0; i < 100; i++) reader.push(Buffer.from(`data: ${'x'.repeat(900)}\n\n`), events);
    expect(events).toHaveLength(100);
  });

  test('10 MB in small pieces take linear time', () => {
    const bytes = Buffer.from(`data: ${'x'.repeat(10_000_000)}\n\n`);
    const reader = new SseReader();
    const events: SseEvent[] = [];
    for (let at = 0; at < bytes.length; at += 100) reader.push(bytes.subarray(at, at + 100), events);
    expect(events[0]?.data).toHaveLength(10_000_000);
  }, 5_000);
});

describe('cuts change nothing', () => {
  const fixtures: [string, string][] = [
    ['characters of one to four bytes', 'event: é\ndata: {"t":"aé€😀"}\n\ndata: 日本\ndata: 😀😀\n\n'],
    ['a byte order mark and \\r\\n', '\ufeffid: 1\r\ndata: a\r\ndata: b\r\n\r\n: c\r\n\r\ndata: d\r\n\r\n'],
    ['\\r', 'data: a\r\rdata: b\rdata: c\r\r'],
    ['mixed line ends', 'data: a\r\n\rdata: b\n\r\ndata: c\r\r\ndata: d\n\n\r\r\n'],
    ['JSON', '{\n  "error": "é€😀"\r\n}'],
    ['a stream that breaks off', 'data: x\n\nevent: y\ndata: zé'],
  ];

  test.each(fixtures)('every cut: %s', (_name, text) => {
    const bytes = Buffer.from(text);
    const whole = read(text);
    for (const pieces of everyCut(bytes)) expect(readAll(pieces)).toEqual(whole);
  });

  test('bytes that are not UTF-8', () => {
    const bytes = Buffer.concat([
      Buffer.from('data: '),
      Buffer.from([0xff, 0xe2, 0x82, 0x41, 0xf0, 0x9f, 0x0a, 0xe2, 0x0d, 0xac, 0x0a, 0x0a]),
    ]);
    const whole = readAll([bytes]);
    for (const pieces of everyCut(bytes)) expect(readAll(pieces)).toEqual(whole);
  });

  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(fc.constantFrom(...Buffer.from('data: event:\r\n\r\n\r\n\n\n\u00e9\ufeff')), { maxLength: 200 }),
  );
  test('any bytes, any cuts', () => {
    fc.assert(
      fc.property(anyBytes, fc.array(fc.nat(200)), (list, cuts) => {
        const bytes = Buffer.from(list);
        expect(readAll(cutAt(bytes, cuts))).toEqual(readAll([bytes]));
      }),
      { numRuns: 2000 },
    );
  });

  const streams = recordedStreams().filter(({ framing }) => framing === 'sse');
  test.skipIf(streams.length === 0)(
    `every cut of ${streams.length} recorded streams`,
    { timeout: 120_000 },
    () => {
      for (const { name, body, events } of streams) {
        const whole = readAll([body]);
        expect([whole.events.filter((event) => event.data !== '[DONE]').length, events], name).toContain(
          events,
        );
        expect(whole.leftover, name).toBe('');
        const expected = JSON.stringify(whole);
        for (const pieces of everyCut(body))
          expect(JSON.stringify(readAll(pieces)) === expected, name).toBe(true);
      }
    },
  );
});

describe('any events in any notation', () => {
  const lineText = fc.string({ unit: 'binary', maxLength: 12 }).map((s) => s.replaceAll(/[\r\n\0]/g, ' '));
  const field = fc.record({
    kind: fc.constantFrom('data', 'data', 'data', 'event', 'id', 'comment', 'retry', 'unknown'),
    value: lineText,
    space: fc.boolean(),
    end: fc.constantFrom('\n', '\r', '\r\n'),
  });
  const event = fc.record({
    fields: fc.array(field, { maxLength: 5 }),
    end: fc.constantFrom('\n', '\r', '\r\n'),
  });
  const stream = fc.record({ events: fc.array(event, { maxLength: 6 }), bom: fc.boolean() });
  type Stream = typeof stream extends fc.Arbitrary<infer T> ? T : never;

  function write({ events, bom }: Stream): string {
    let text = bom ? '\ufeff' : '';
    // A \n right after a \r would be the second half of its line end.
    const blank = (end: string) => (end === '\n' && text.endsWith('\r') ? '\r' : end);
    for (const { fields, end } of events) {
      for (const { kind, value, space, end } of fields) {
        if (kind === 'comment') text += `:${value}${end}`;
        else if (kind === 'unknown') text += `x-${kind}:${value}${end}`;
        else text += `${kind}:${space || value.startsWith(' ') ? ' ' : ''}${value}${end}`;
      }
      text += blank(end);
    }
    return text;
  }

  function mean({ events }: Stream): { events: SseEvent[]; comments: number } {
    const out: SseEvent[] = [];
    let id = '';
    let comments = 0;
    for (const { fields } of events) {
      const of = (kind: string) => fields.filter((field) => field.kind === kind).map((field) => field.value);
      id = of('id').at(-1) ?? id;
      comments += of('comment').length;
      if (of('data').length > 0)
        out.push({ event: of('event').at(-1) ?? '', data: of('data').join('\n'), id });
    }
    return { events: out, comments };
  }

  test('is read as it was meant, whatever the cuts', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(400)), (stream, cuts) => {
        // Lone surrogates can't be written in UTF-8.
        const meant = JSON.parse(Buffer.from(JSON.stringify(mean(stream), replaceLone)).toString());
        const reading = readAll(cutAt(Buffer.from(write(stream)), cuts));
        expect({ events: reading.events, comments: reading.comments }).toEqual(meant);
        expect(reading.truncated).toBe(false);
      }),
      { numRuns: 3000 },
    );
  });

  function replaceLone(_key: string, value: unknown): unknown {
    return typeof value === 'string' ? value.toWellFormed() : value;
  }
});
