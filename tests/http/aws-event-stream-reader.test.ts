import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AwsEventStreamMessage, AwsEventStreamReader } from '../../src/http/aws-event-stream-reader.ts';
import { UpstreamError } from '../../src/http/errors.ts';
import { frame, rawFrame } from '../support/aws-event-stream.ts';
import { recordedBedrock } from '../support/bedrock-recordings.ts';
import { cutAt, everyCut } from './support/cuts.ts';

interface Read {
  readonly messages: { headers: [string, string][]; payload: string }[];
  readonly truncated: boolean;
}

function read(pieces: Iterable<Buffer>, maxMessageBytes?: number): Read {
  const reader = new AwsEventStreamReader(maxMessageBytes);
  const out: AwsEventStreamMessage[] = [];
  for (const piece of pieces) reader.push(piece, out);
  const truncated = reader.end(out);
  return {
    messages: out.map(({ headers, payload }) => ({
      headers: [...headers],
      payload: payload.toString('latin1'),
    })),
    truncated,
  };
}

function failure(pieces: Iterable<Buffer>, maxMessageBytes?: number): UpstreamError {
  try {
    read(pieces, maxMessageBytes);
  } catch (error) {
    if (error instanceof UpstreamError) return error;
    throw error;
  }
  throw new Error('expected an UpstreamError');
}

const recorded = recordedBedrock().filter(({ stream }) => stream);

describe.skipIf(recorded.length === 0)('recorded streams', () => {
  test.each(recorded.map((exchange) => [exchange.title, exchange] as const))(
    'every cut of %s reads the same',
    (_title, { body, derived }) => {
      const whole = read([body]);
      expect(whole.messages).toHaveLength(derived.events);
      expect(whole.truncated).toBe(false);
      const expected = JSON.stringify(whole);
      for (const pieces of everyCut(body)) expect(JSON.stringify(read(pieces))).toBe(expected);
    },
  );

  test.each(recorded.filter(({ endpoint }) => endpoint === 'invoke').map((e) => [e.title, e] as const))(
    'InvokeModel: %s carries JSON in base64',
    (_title, { body, derived }) => {
      const events = read([body]).messages.map(({ headers, payload }) => {
        expect(new Map(headers).get(':event-type')).toBe('chunk');
        const { bytes } = JSON.parse(payload) as { bytes: string };
        return JSON.parse(Buffer.from(bytes, 'base64').toString('utf8')) as {
          type: string;
          delta?: { text?: string };
        };
      });
      expect(events[0]?.type).toBe('message_start');
      expect(events.at(-1)?.type).toBe('message_stop');
      expect(events.map(({ delta }) => delta?.text ?? '').join('')).toBe(derived.text ?? '');
    },
  );
});

const headersOf = fc.dictionary(
  fc.string({ minLength: 1, maxLength: 20, unit: 'binary-ascii' }).filter((name) => name !== '__proto__'),
  fc.string({ maxLength: 40 }),
  { maxKeys: 5 },
);

describe('any stream', () => {
  test('reads as what was written, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(headersOf, fc.uint8Array({ maxLength: 200 })), { maxLength: 6 }),
        fc.array(fc.nat({ max: 1_000 })),
        (messages, cuts) => {
          const body = Buffer.concat(
            messages.map(([headers, payload]) => frame(headers, Buffer.from(payload))),
          );
          const pieces = cutAt(
            body,
            cuts.map((cut) => cut % (body.length + 1)),
          );
          expect(read(pieces)).toEqual({
            messages: messages.map(([headers, payload]) => ({
              headers: Object.entries(headers),
              payload: Buffer.from(payload).toString('latin1'),
            })),
            truncated: false,
          });
        },
      ),
    );
  });

  test('that ends inside a message is known to be truncated, and its whole messages are read', () => {
    const one = frame({ a: 'b' }, 'first');
    const two = frame({ a: 'b' }, 'second');
    const body = Buffer.concat([one, two]);
    for (let end = 0; end <= body.length; end++) {
      const { messages, truncated } = read([body.subarray(0, end)]);
      expect(messages).toHaveLength(end === body.length ? 2 : end >= one.length ? 1 : 0);
      expect(truncated).toBe(end !== 0 && end !== one.length && end !== body.length);
    }
  });

  test('with any one bit turned over is refused', () => {
    const body = frame({ ':event-type': 'messageStart', ':message-type': 'event' }, '{"role":"assistant"}');
    for (let bit = 0; bit < body.length * 8; bit++) {
      const broken = Buffer.from(body);
      broken[bit >> 3]! ^= 1 << (bit & 7);
      expect(failure([broken]).kind, `bit ${bit}`).toBe('framing');
    }
  });

  test('of arbitrary bytes never fails otherwise than as an upstream would', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 300 }), (bytes) => {
        try {
          read([Buffer.from(bytes)]);
        } catch (error) {
          expect(error).toBeInstanceOf(UpstreamError);
        }
      }),
    );
  });
});

describe('bounds', () => {
  test('a message larger than its bound is refused at its prelude, before it has come', () => {
    const body = frame({}, Buffer.alloc(1_000));
    expect(read([body], 1_016).messages).toHaveLength(1);
    expect(failure([body.subarray(0, 12)], 1_015).kind).toBe('too_large');
  });

  test('by default 24 MiB of payload are taken and 4 GiB are not', () => {
    expect(read([frame({ a: 'b' }, Buffer.alloc(24 * 1024 * 1024))]).messages).toHaveLength(1);
    const huge = rawFrame(Buffer.alloc(0), Buffer.alloc(0));
    huge.writeUInt32BE(0xffff_ffff, 0);
    expect(failure([huge]).kind).toBe('framing');
    expect(failure([frame({}, Buffer.alloc(25 * 1024 * 1024)).subarray(0, 12)]).kind).toBe('too_large');
  });

  test('headers that do not fit into their message are refused', () => {
    expect(failure([rawFrame(Buffer.from([5, 97]), Buffer.alloc(0))]).message).toContain('cut off');
    expect(failure([rawFrame(Buffer.from([1, 97, 7, 0, 9, 98]), Buffer.alloc(0))]).message).toContain(
      'cut off',
    );
    expect(failure([rawFrame(Buffer.from([1, 97, 42]), Buffer.alloc(0))]).message).toContain('unknown type');
  });
});

test('values of every type are told as text', () => {
  const value = (type: number, ...bytes: number[]): Buffer =>
    Buffer.from([2, 0x74, 0x30 + type, type, ...bytes]);
  const headers = Buffer.concat([
    value(0),
    value(1),
    value(2, 0xff),
    value(3, 0xff, 0xfe),
    value(4, 0, 0, 1, 0),
    value(5, 0, 0, 0, 0, 0, 0, 2, 0),
    value(6, 0, 2, 1, 2),
    value(7, 0, 2, 0xc3, 0xbc),
    value(8, 0, 0, 0, 0, 0, 0, 0, 0),
    value(9, ...Array.from({ length: 16 }, (_, i) => i)),
  ]);
  expect(read([rawFrame(headers, Buffer.alloc(0))]).messages[0]?.headers).toEqual([
    ['t0', 'true'],
    ['t1', 'false'],
    ['t2', '-1'],
    ['t3', '-2'],
    ['t4', '256'],
    ['t5', '512'],
    ['t6', 'AQI='],
    ['t7', 'ü'],
    ['t8', '1970-01-01T00:00:00.000Z'],
    ['t9', '000102030405060708090a0b0c0d0e0f'],
  ]);
});
