import { describe, expect, test } from 'vitest';
import { readTrace } from '../../src/observability/trace.ts';

const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe('a trace context', () => {
  test('is taken as it came', () => {
    expect(readTrace(parent)).toEqual({ traceparent: parent });
    expect(readTrace(parent, 'rojo=00f067aa0ba902b7, t61@vendor=x y,,')).toEqual({
      traceparent: parent,
      tracestate: 'rojo=00f067aa0ba902b7, t61@vendor=x y,,',
    });
  });

  test('of a later version may have more fields', () => {
    const later = `cc-${parent.slice(3)}-what.comes-next`;
    expect(readTrace(later)).toEqual({ traceparent: later });
  });

  test.each([
    undefined,
    null,
    '',
    'x',
    parent.toUpperCase(),
    ` ${parent}`,
    `${parent}\n`,
    `${parent}-more`,
    `ff-${parent.slice(3)}`,
    `${parent}, ${parent}`,
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331',
    `cc-${parent.slice(3)}-${'x'.repeat(201)}`,
  ])('%j is none', (given) => {
    expect(readTrace(given, 'a=b')).toBeUndefined();
  });

  test.each([
    '',
    ' ,',
    'a',
    'a=',
    '=b',
    'A=b',
    'a=b\u0007',
    'a=ü',
    'a=b=c',
    `a=${'x'.repeat(257)}`,
    Array.from({ length: 33 }, (_, n) => `k${n}=v`).join(','),
    Array.from({ length: 20 }, (_, n) => `k${n}=${'v'.repeat(250)}`).join(','),
  ])('without the state %j, which is none', (state) => {
    expect(readTrace(parent, state)).toEqual({ traceparent: parent });
  });

  test('with 32 states', () => {
    const state = Array.from({ length: 32 }, (_, n) => `k${n}=v`).join(',');
    expect(readTrace(parent, state)?.tracestate).toBe(state);
  });
});
