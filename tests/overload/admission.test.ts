import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import type { Place } from '../../src/overload/admission.ts';
import { testAdmission } from '../support/admission.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** The order in which places may go on. */
function order(places: readonly Place[]): number[] {
  const seen: number[] = [];
  places.forEach(
    (place, i) =>
      void place.ready?.then(
        () => seen.push(i),
        () => {},
      ),
  );
  return seen;
}
const settled = () => new Promise(setImmediate);

describe('places', () => {
  test('are given in the order in which calls came, as others leave', async () => {
    const { admission } = testAdmission({ maxConcurrent: 2, maxWaiting: 10 });
    const first = [admission.enter(0), admission.enter(0)];
    expect(first.map(({ ready }) => ready)).toEqual([null, null]);
    const waiting = [admission.enter(0), admission.enter(0), admission.enter(0)];
    const went = order(waiting);
    first[1]!.leave();
    first[1]!.leave();
    await settled();
    expect(went).toEqual([0]);
    waiting[1]!.leave();
    first[0]!.leave();
    await settled();
    expect(went).toEqual([0, 2]);
    expect([admission.active, admission.waiting]).toEqual([2, 0]);
    for (const place of waiting) place.leave();
    expect([admission.active, admission.bodyBytes]).toEqual([0, 0]);
  });

  test('beyond the queue there are none', () => {
    const { admission } = testAdmission({ maxConcurrent: 1, maxWaiting: 1 });
    admission.enter(0);
    expect(admission.accepting).toBe(true);
    admission.enter(0);
    expect(admission.accepting).toBe(false);
    const refused = thrownBy(() => admission.enter(0));
    expect(refused.reason).toBe(ErrorReason.OVERLOADED);
    expect(refused.facts).toMatchObject({
      retryAfterMs: 5_000,
      load: { memoryMb: 300, thresholdMb: 200, activeRequests: 1, maxConcurrent: 1 },
    });
    expect([admission.active, admission.waiting]).toEqual([1, 1]);
  });

  test('who has waited too long is refused, and takes no place later', async () => {
    const { admission } = testAdmission({ maxConcurrent: 1, maxWaiting: 9, maxWaitMs: 50 });
    const held = admission.enter(0);
    const late = admission.enter(0);
    const outcome = late.ready?.catch((error: GatewayError) => error.reasonName);
    vi.advanceTimersByTime(50);
    expect(await outcome).toBe('overloaded');
    held.leave();
    late.leave();
    expect([admission.active, admission.waiting]).toEqual([0, 0]);
  });

  test('a queue that is closed sends everybody away', async () => {
    const { admission } = testAdmission({ maxConcurrent: 1, maxWaiting: 9 });
    const held = admission.enter(0);
    const outcome = admission.enter(0).ready?.catch((error: GatewayError) => error.reasonName);
    admission.close(new GatewayError(ErrorReason.DRAINING, 'the gateway is shutting down'));
    expect(await outcome).toBe('draining');
    expect(thrownBy(() => admission.enter(0)).reasonName).toBe('draining');
    held.leave();
    expect([admission.active, admission.waiting]).toEqual([0, 0]);
  });

  test('random arrivals and departures leave nothing behind', async () => {
    const { admission } = testAdmission({ maxConcurrent: 10, maxWaiting: 20, maxBodyBytes: 1_000 });
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed % below;
    };
    const here: Place[] = [];
    for (let i = 0; i < 5_000; i++) {
      if (random(2) === 0) {
        try {
          const place = admission.enter(random(400));
          place.ready?.catch(() => {});
          here.push(place);
          if (random(3) === 0) place.grow(random(400));
        } catch {}
      } else if (here.length > 0) here.splice(random(here.length), 1)[0]?.leave();
      expect(admission.active).toBeLessThanOrEqual(10);
      expect(admission.waiting).toBeLessThanOrEqual(20);
    }
    for (const place of here) place.leave();
    await settled();
    expect([admission.active, admission.waiting, admission.bodyBytes]).toEqual([0, 0, 0]);
  });
});

describe('bodies', () => {
  test('wait until there is room for them, and hold back what comes after them', async () => {
    const { admission } = testAdmission({ maxWaiting: 9, maxBodyBytes: 1_000 });
    const first = admission.enter(600);
    const large = admission.enter(500);
    const small = admission.enter(10);
    const went = order([large, small]);
    await settled();
    expect(went).toEqual([]);
    first.leave();
    await settled();
    expect(went).toEqual([0, 1]);
    expect(admission.bodyBytes).toBe(510);
  });

  test('one that is larger than all may be goes alone', () => {
    const { admission } = testAdmission({ maxWaiting: 9, maxBodyBytes: 1_000 });
    expect(admission.enter(5_000).ready).toBe(null);
    expect(admission.enter(1).ready).not.toBe(null);
  });

  test('that grow as they come count, until their call leaves', () => {
    const { admission } = testAdmission({ maxWaiting: 9, maxBodyBytes: 1_000 });
    const place = admission.enter(0);
    place.grow(800);
    expect(admission.enter(300).ready).not.toBe(null);
    place.leave();
    place.grow(5);
    expect(admission.bodyBytes).toBe(300);
  });
});

test('short of memory nothing is taken in, and what waits goes on waiting', () => {
  const { admission, memory } = testAdmission({ maxConcurrent: 1, maxWaiting: 9 });
  admission.enter(0);
  const waiting = admission.enter(0);
  memory.pressure = 'critical';
  expect(thrownBy(() => admission.enter(0)).reasonName).toBe('overloaded');
  expect(admission.accepting).toBe(false);
  expect(admission.waiting).toBe(1);
  waiting.leave();
});

test('the log warns once when many wait, and again only after it was over', () => {
  const { admission, log } = testAdmission({ maxConcurrent: 1, maxWaiting: 99, warnAt: 4 });
  const held = admission.enter(0);
  const fill = () => Array.from({ length: 6 }, () => admission.enter(0));
  const first = fill();
  first[5]!.leave();
  first[4]!.leave();
  const more = fill();
  expect(log.map(({ message }) => message)).toEqual(['calls are waiting']);
  for (const place of [...first, ...more]) place.leave();
  fill();
  expect(log.map(({ message }) => message)).toEqual([
    'calls are waiting',
    'few calls are waiting any more',
    'calls are waiting',
  ]);
  held.leave();
});

function thrownBy(action: () => unknown): GatewayError {
  try {
    action();
  } catch (error) {
    if (error instanceof GatewayError) return error;
  }
  throw new Error('nothing was thrown');
}
