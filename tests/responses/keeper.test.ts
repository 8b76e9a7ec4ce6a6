import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import {
  type Response,
  ResponseParametersSchema,
  ResponseStatus,
} from '../../gen/llmgateway/v1/responses_service_pb.js';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { newResponseId } from '../../src/responses/ids.ts';
import { decodeBody, decodeEvents, encodeBody } from '../../src/responses/items.ts';
import { Keeper } from '../../src/responses/keeper.ts';
import { LifeCycle } from '../../src/responses/life-cycle.ts';
import { newResponse } from '../../src/responses/new-response.ts';
import type { ResponseStore } from '../../src/responses/store.ts';
import { Database } from '../../src/store/embedded/database.ts';
import { EmbeddedResponses } from '../../src/store/embedded/responses.ts';
import { rejection } from '../http/support/upstream.ts';

let folder: string;
let database: Database;
let real: EmbeddedResponses;
let id: string;
let response: Response;
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'llm-gateway-keeper-'));
  database = new Database({ dir: folder, maxBytes: 2 ** 26 });
  real = new EmbeddedResponses(database);
  id = newResponseId();
  response = newResponse(id, 1, create(ResponseParametersSchema, { model: 'm' }));
  const nowUs = Date.now() * 1_000;
  await real.create('', {
    id,
    createdUs: nowUs,
    expiresUs: nowUs + 60e6,
    body: encodeBody(response),
    input: [],
    maker: '',
    open: { holder: 'h', leaseMs: 10_000 },
  });
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true, force: true });
});

const away = (): GatewayError => new GatewayError(ErrorReason.DEPENDENCY_UNAVAILABLE, 'away');

/** The store, of which some steps are not answered: they may have been done all the same. */
function flaky(answers: ('lost' | 'refused' | 'ok')[]): { store: ResponseStore; asked: string[] } {
  const asked: string[] = [];
  const store = new Proxy(real as ResponseStore, {
    get(target, name) {
      if (name !== 'append' && name !== 'end') return Reflect.get(target, name).bind(target);
      return async (...args: unknown[]) => {
        const answer = answers.shift() ?? 'ok';
        asked.push(`${name} ${answer}`);
        if (answer === 'refused') throw away();
        const result = await (target[name] as (...given: unknown[]) => Promise<unknown>).apply(target, args);
        if (answer === 'lost') throw away();
        return result;
      };
    },
  });
  return { store, asked };
}

function keeping(store: ResponseStore, leaseMs = 10_000, maxBytes = 2 ** 20) {
  const keeper = new Keeper({
    store,
    tenant: '',
    id,
    holder: 'h',
    logged: 0,
    terms: { leaseMs, maxBytes },
    cancellable: false,
    onStop: () => {},
    onEvents: () => {},
  });
  return { keeper, lifeCycle: new LifeCycle({ response, newId: () => 'msg_1', now: () => 2 }) };
}

const numbers = async (): Promise<number[]> => {
  const page = await real.events('', id, 0, 100);
  return decodeEvents(page?.events ?? []).map(({ sequenceNumber }) => sequenceNumber);
};
const status = async (): Promise<string> => {
  const stored = await real.read('', id);
  return `${stored?.open ? 'open' : 'over'} ${ResponseStatus[decodeBody(stored!.body).status]}`;
};

describe('a keeper whose store does not answer', () => {
  test.each(['lost', 'refused'] as const)('says it again, and nothing is there twice (%s)', async (how) => {
    const { store, asked } = flaky([how, how, 'ok', how, 'ok', how, 'ok']);
    const { keeper, lifeCycle } = keeping(store);
    for (const _ of [1, 2]) {
      const out: Parameters<LifeCycle['begin']>[0] = [];
      lifeCycle.begin(out);
      await keeper.add(out);
    }
    const last: Parameters<LifeCycle['cancel']>[0] = [];
    lifeCycle.cancel(last);
    await keeper.end(last, response, true);
    expect(asked.map((step) => step.split(' ')[0])).toEqual([
      ...Array<string>(5).fill('append'),
      ...Array<string>(2).fill('end'),
    ]);
    expect(await numbers()).toEqual([0, 1, 2]);
    expect(await status()).toBe('over CANCELLED');
  });

  test('gives up within its lease, and ends the response when the store is back', async () => {
    const answers = Array<'refused'>(1_000).fill('refused');
    const { store } = flaky(answers);
    const { keeper, lifeCycle } = keeping(store, 900);
    const out: Parameters<LifeCycle['begin']>[0] = [];
    lifeCycle.begin(out);
    const from = performance.now();
    expect(await rejection(keeper.add(out))).toMatchObject({ reason: ErrorReason.DEPENDENCY_UNAVAILABLE });
    expect(performance.now() - from).toBeLessThan(1_500);
    const last: Parameters<LifeCycle['cancel']>[0] = [];
    lifeCycle.cancel(last);
    const ending = performance.now();
    expect(await rejection(keeper.end(last, response, false))).toMatchObject({ rawMessage: 'away' });
    expect(performance.now() - ending).toBeLessThan(100);
    expect(await status()).toBe('open IN_PROGRESS');
    answers.length = 0;
    await expect.poll(status).toBe('over CANCELLED');
    expect(await numbers()).toEqual([0, 1]);
  });

  test('one that lost the response does no harm, and says so', async () => {
    await real.extend('', id, 'h', 0);
    await real.take('', id, 'another', 10_000);
    const { keeper, lifeCycle } = keeping(real);
    const out: Parameters<LifeCycle['begin']>[0] = [];
    lifeCycle.begin(out);
    expect(await rejection(keeper.add(out))).toMatchObject({
      rawMessage: expect.stringContaining('taken over'),
    });
    expect(await rejection(keeper.end(out, response, false))).toMatchObject({
      rawMessage: expect.stringContaining('taken over'),
    });
    expect(await numbers()).toEqual([]);
  });

  test('what does not fit is refused, and the end that says so is not', async () => {
    const { keeper, lifeCycle } = keeping(real, 10_000, encodeBody(response).length + 10);
    const out: Parameters<LifeCycle['begin']>[0] = [];
    lifeCycle.begin(out);
    expect(await rejection(keeper.add(out))).toMatchObject({ reason: ErrorReason.REQUEST_TOO_LARGE });
    const last: Parameters<LifeCycle['cancel']>[0] = [];
    lifeCycle.cancel(last);
    await keeper.end(last, response, false);
    expect(await numbers()).toEqual([0, 1]);
  });
});
