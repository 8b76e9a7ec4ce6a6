import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NdjsonReader } from '../../src/http/ndjson-reader.ts';
import { cutAt, everyCut } from './support/cuts.ts';
import { recordedStreams } from './support/recordings.ts';

function readAll(pieces: Buffer[]): string[] {
  const reader = new NdjsonReader();
  const lines: string[] = [];
  for (const piece of pieces) reader.push(piece, lines);
  reader.end(lines);
  return lines;
}

test.each([
  ['lines', '{"a":1}\n{"b":2}\n', ['{"a":1}', '{"b":2}']],
  ['\\r\\n', '{"a":1}\r\n{"b":2}\r\n', ['{"a":1}', '{"b":2}']],
  ['a last line without line end', '{"a":1}\n{"b":2}', ['{"a":1}', '{"b":2}']],
  ['blank lines', '\n{"a":1}\n\n \r\n{"b":2}\n\n', ['{"a":1}', '{"b":2}']],
  ['a byte order mark', '\ufeff{"a":1}\n', ['{"a":1}']],
  ['nothing', '', []],
])('%s', (_name, text, expected) => {
  for (const pieces of everyCut(Buffer.from(text))) expect(readAll(pieces)).toEqual(expected);
});

test('any values, any cuts', () => {
  fc.assert(
    fc.property(fc.array(fc.json()), fc.array(fc.nat(500)), (values, cuts) => {
      const lines = values.map((value) => JSON.stringify(JSON.parse(value)).toWellFormed());
      expect(readAll(cutAt(Buffer.from(lines.map((line) => `${line}\n`).join('')), cuts))).toEqual(lines);
    }),
  );
});

test('a line is bounded, whole or in pieces', () => {
  for (const size of [1, 2000]) {
    const reader = new NdjsonReader(1000);
    const push = () => {
      for (let at = 0; at < 1001; at += size) reader.push(Buffer.alloc(Math.min(size, 1001), 'x'), []);
    };
    expect(push).toThrow(expect.objectContaining({ kind: 'too_large' }));
  }
});

const streams = recordedStreams().filter(({ framing }) => framing === 'ndjson');
test.skipIf(streams.length === 0)(
  `every cut of ${streams.length} recorded streams`,
  { timeout: 120_000 },
  () => {
    for (const { name, body, events } of streams) {
      const whole = readAll([body]);
      expect(whole, name).toHaveLength(events);
      for (const line of whole) JSON.parse(line);
      const expected = whole.join('\n');
      for (const pieces of everyCut(body)) expect(readAll(pieces).join('\n') === expected, name).toBe(true);
    }
  },
);
