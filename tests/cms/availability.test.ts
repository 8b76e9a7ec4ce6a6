import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Availability } from '../../src/cms/availability.ts';
import { type JsonServer, send, startJsonServer } from '../support/json-server.ts';
import { until } from '../support/redis.ts';
import { httpService } from '../support/service.ts';

let server: JsonServer;
let now: number;
let availability: Availability;
const { signal } = new AbortController();
beforeEach(async () => {
  server = await startJsonServer({ '/health': () => ({ status: 'healthy' }) });
  now = 1_000;
  availability = new Availability(httpService('cms', server.origin, 200), () => now);
});
afterEach(() => server.close());

describe('a look at the service', () => {
  test('is shared by all that want to know at once, and holds for a second', async () => {
    const all = Array.from({ length: 50 }, (_, i) => availability.check(`r${i}`, signal));
    expect(new Set(await Promise.all(all))).toEqual(new Set([true]));
    now += 999;
    expect(await availability.check('later', signal)).toBe(true);
    expect(server.got.map(({ path, headers }) => `${path} ${headers['x-request-id']}`)).toEqual([
      '/health r0',
    ]);
    now += 1;
    expect(await availability.check('next', signal)).toBe(true);
    expect(server.got.length).toBe(2);
  });

  test('that fails holds no longer', async () => {
    server.routes['/health'] = (_got, response) => void send(response, 500, {});
    expect(await availability.check('r', signal)).toBe(false);
    server.routes['/health'] = () => ({});
    expect(await availability.check('r', signal)).toBe(false);
    now += 1_000;
    expect(await availability.check('r', signal)).toBe(true);
  });

  test.each([201, 204, 302, 404, 503])('finds nobody behind status %d', async (status) => {
    server.routes['/health'] = (_got, response) => void response.writeHead(status).end();
    expect(await availability.check('r', signal)).toBe(false);
  });

  test('takes no longer than the time limit, nor finds anybody where nobody listens', async () => {
    server.routes['/health'] = () => null;
    const began = performance.now();
    expect(await availability.check('r', signal)).toBe(false);
    expect(performance.now() - began).toBeLessThan(1_000);
    server.close();
    now += 1_000;
    expect(await availability.check('r', signal)).toBe(false);
  });

  test('goes on for the others when one of them leaves', async () => {
    let answer: () => void = () => {};
    server.routes['/health'] = (_got, response) => void (answer = () => send(response, 200, {}));
    const leave = new AbortController();
    const left = availability.check('a', leave.signal);
    const stays = availability.check('b', signal);
    await until(() => server.got.length === 1);
    const reason = new Error('gone');
    leave.abort(reason);
    await expect(left).rejects.toBe(reason);
    answer();
    expect(await stays).toBe(true);
    await expect(availability.check('a', leave.signal)).rejects.toBe(reason);
  });
});
