import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { anonymous } from '../../src/auth/principal.ts';
import { AnswerCache, type CacheTerms } from '../../src/cache/answer-cache.ts';
import type { CacheStore } from '../../src/cache/store.ts';
import { unknownMembers } from '../../src/codec/unknown-members.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import * as build from '../../src/model/build.ts';
import * as buildEvent from '../../src/model/build-events.ts';
import type { EventStream, StreamEvent } from '../../src/model/events.ts';
import { createLogger } from '../../src/observability/log.ts';
import { cacheStage } from '../../src/pipeline/cache.ts';
import { type Call, type ChatCall, deadlineOf, type Handler, type Reply } from '../../src/pipeline/call.ts';
import type { Deployment, RoutePlan } from '../../src/pipeline/route.ts';
import { EmbeddedCache } from '../../src/store/embedded/cache.ts';

const route: Deployment = {
  provider: { name: 'p', missing: null, unsupported: () => new Set() },
  upstreamModel: 'up',
  timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1 },
  weight: 1,
  price: 0,
  names: [],
};
const plan: RoutePlan = {
  model: 'asked',
  deployments: [route],
  routing: 'order',
  sticky: false,
  fallbacks: [],
  contextFallbacks: [],
};

const user = (text: string) => build.message(Role.USER, [build.textPart(text)]);

function callOf(changes: Partial<ChatCall> = {}): ChatCall {
  return {
    kind: 'chat',
    id: 'r',
    face: 'rpc',
    principal: anonymous,
    stream: false,
    signal: new AbortController().signal,
    request: build.chatRequest('asked', [user('Hello')]),
    route,
    plan,
    report: build.callReport('', ''),
    ...changes,
  };
}

const response = (text: string, finish = 1) =>
  build.chatResponse('c', 'm', 1, [
    build.choice(0, build.message(Role.ASSISTANT, [build.textPart(text)]), finish),
  ]);

const unary = (call: Call, text = 'Hi', finish = 1): Reply => {
  const { report } = call;
  report.provider = 'p';
  report.model = 'asked';
  report.attempts++;
  return { kind: 'unary', response: { ...response(text, finish), callReport: report } };
};

/** A stream whose events the test gives. */
class Source implements EventStream {
  pulled = 0;
  returned = false;
  readonly #batches: (readonly StreamEvent[] | Error | null)[] = [];
  #wake: (() => void) | null = null;

  give(...batches: (readonly StreamEvent[] | Error | null)[]): this {
    this.#batches.push(...batches);
    this.#wake?.();
    return this;
  }

  async next() {
    this.pulled++;
    while (this.#batches.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    const batch = this.#batches.shift();
    if (batch instanceof Error) throw batch;
    return batch === null || batch === undefined
      ? ({ done: true, value: undefined } as const)
      : ({ done: false, value: batch } as const);
  }

  async return() {
    this.returned = true;
    this.give(null);
    return { done: true, value: undefined } as const;
  }
}

const begin = (call: Call) => [
  buildEvent.started('c', 'm', 1, { callReport: call.report }),
  buildEvent.partStarted(0, 0, build.textPart('')),
];
const piece = (text: string) => [buildEvent.delta(0, 0, text)];
const end = (call: Call, finish = 1) => [
  buildEvent.partEnded(0, 0),
  buildEvent.choiceFinished(0, finish, ''),
  buildEvent.finished(undefined, call.report),
];

function streaming(call: Call, source: Source): Reply {
  call.report.provider = 'p';
  call.report.model = 'asked';
  source.give(begin(call));
  return { kind: 'stream', events: source };
}

async function textOf(reply: Reply): Promise<string> {
  if (reply.kind === 'unary') {
    const part = reply.response.choices[0]?.message?.parts[0]?.content;
    return part?.case === 'text' ? part.value.text : '';
  }
  if (reply.kind !== 'stream') throw new Error(reply.kind);
  let text = '';
  for (;;) {
    const { done, value } = await reply.events.next();
    if (done) return text;
    for (const { event } of value) if (event.case === 'delta') text += event.value.text;
  }
}

function rig(next: Handler, terms: Partial<CacheTerms> = {}, store?: CacheStore) {
  const lines: string[] = [];
  const log = createLogger({ service: 't', level: 'INFO', sink: (line) => void lines.push(line) });
  let now = 1_000_000;
  const cache = new AnswerCache({
    store: store ?? new EmbeddedCache({ maxEntries: 100, maxBytes: 2 ** 26 }, () => now),
    terms: () => ({ ttlMs: 60_000, maxEntryBytes: 2 ** 20, deterministicOnly: false, ...terms }),
    log,
    now: () => now,
  });
  let asked = 0;
  const handle = cacheStage({ cache, readOpaque: unknownMembers })((call) => {
    asked++;
    return next(call);
  });
  return {
    cache,
    lines,
    handle,
    get asked() {
      return asked;
    },
    pass(ms: number) {
      now += ms;
    },
  };
}

/** Lets everything happen that waits for nothing else. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what fails at once is a failure for equal calls, too, and nothing is left of it', async () => {
  const refused = new GatewayError(ErrorReason.INVALID_REQUEST, 'no messages');
  const { cache, handle } = rig(() => {
    throw refused;
  });
  for (let i = 0; i < 2; i++) await expect(handle(callOf())).rejects.toBe(refused);
  expect(cache.flights.size).toBe(0);
});

describe('an equal call', () => {
  test('gets the same answer, whichever way it is asked', async () => {
    const it = rig(async (call) => unary(call));
    const first = callOf();
    expect(await textOf(await it.handle(first))).toBe('Hi');
    expect(first.report).toMatchObject({ cache: 'miss', attempts: 1 });
    it.pass(5_500);
    for (const stream of [false, true]) {
      const call = callOf({ stream });
      expect(await textOf(await it.handle(call))).toBe('Hi');
      expect(call.report).toMatchObject({
        cache: 'hit',
        cacheAgeSeconds: 5,
        provider: 'p',
        attempts: 0,
        costUsd: '0',
      });
    }
    expect(it.asked).toBe(1);
    expect(it.cache.counts).toMatchObject({ hit: 2, miss: 1 });
  });

  test('gets a streamed answer once it has ended, and the report of its own', async () => {
    const source = new Source();
    const it = rig(async (call) => {
      const reply = streaming(call, source);
      source.give(piece('Hel'), piece('lo'), end(call), null);
      return reply;
    });
    expect(await textOf(await it.handle(callOf({ stream: true })))).toBe('Hello');
    const whole = callOf();
    const reply = await it.handle(whole);
    expect(await textOf(reply)).toBe('Hello');
    expect(reply.kind === 'unary' && reply.response.callReport === whole.report).toBe(true);
    const again = await it.handle(callOf({ stream: true }));
    expect(await textOf(again)).toBe('Hello');
    expect(it.asked).toBe(1);
  });

  test('is told what was dropped for the first one, too', async () => {
    const it = rig(async (call) => {
      call.report.droppedParams.push('seed');
      call.report.warnings.push(build.warning('dropped_extras', 'x'));
      return unary(call);
    });
    await it.handle(callOf());
    const report = build.callReport('', '');
    report.warnings.push(build.warning('own', 'x'));
    await it.handle(callOf({ report }));
    expect(report.droppedParams).toEqual(['seed']);
    expect(report.warnings.map(({ code }) => code)).toEqual(['own', 'dropped_extras']);
  });

  test('asks again after the time to live, also when a reload shortened it', async () => {
    const terms = { ttlMs: 60_000 };
    const it = rig(async (call) => unary(call), terms);
    await it.handle(callOf());
    it.pass(59_000);
    await it.handle(callOf());
    expect(it.asked).toBe(1);
    it.pass(2_000);
    await it.handle(callOf());
    expect(it.asked).toBe(2);
  });

  test('of another tenant does not', async () => {
    const it = rig(async (call) => unary(call, call.principal.tenant));
    const ask = async (tenant: string) =>
      textOf(await it.handle(callOf({ principal: { ...anonymous, tenant } })));
    expect(await Promise.all(['a', 'b', 'a', 'b'].map(ask))).toEqual(['a', 'b', 'a', 'b']);
    expect([await ask('a'), await ask('b')]).toEqual(['a', 'b']);
    expect(it.asked).toBe(2);
  });
});

describe('what is not kept', () => {
  const twice = async (changes: Partial<ChatCall>, terms: Partial<CacheTerms> = {}, reply = unary) => {
    const it = rig(async (call) => reply(call), terms);
    const calls = [callOf(changes), callOf(changes)];
    for (const call of calls) await it.handle({ ...call, report: build.callReport('', '') });
    return it.asked;
  };
  const request = (changes: object) => ({ request: { ...callOf().request, ...changes } });
  const tool = build.tool({ case: 'function', value: build.functionTool('f') });
  const call = build.part({ case: 'toolCall', value: build.toolCall('1', 'f', '{}') });

  test('a call itself is kept', async () => {
    expect(await twice({})).toBe(1);
  });

  test.each([
    ['sensitive text', { sensitive: true }],
    ['a session', { session: { contextJson: '{}', historyLength: 0, kept: null } }],
    ['the name of one', request({ options: build.gatewayOptions({ sessionId: 's' }) })],
    [
      "the gateway's tools",
      { tools: { enabled: new Map(), clientHasOwn: false, rounds: 0, ran: new Set<string>() } },
    ],
    ["the client's tools", request({ tools: [tool] })],
    [
      'calls of tools in the conversation',
      request({ messages: [user('a'), build.message(Role.ASSISTANT, [call])] }),
    ],
    ['a search of the web', request({ parameters: build.parameters({ webSearchOptionsJson: '{}' }) })],
    [
      'a completion that the provider is to store',
      request({ parameters: build.parameters({ store: true }) }),
    ],
    [
      'a thread of the provider',
      request({ extras: build.extras('anthropic.messages', '{"thread":{"id":"x"}}') }),
    ],
    ['no wish to be stored', request({ options: build.gatewayOptions({ noStore: true }) })],
  ])('%s', async (_what, changes) => {
    expect(await twice(changes as Partial<ChatCall>)).toBe(2);
  });

  test.each([
    ['that was cut off', 2],
    ['that was withheld', 4],
    ['without a reason to end', 0],
    ['that calls a tool', 3],
  ])('an answer %s', async (_what, finish) => {
    expect(await twice({}, {}, (one) => unary(one, 'Hi', finish))).toBe(2);
  });

  test('an answer that is too large', async () => {
    expect(await twice({}, { maxEntryBytes: 1_024 }, (one) => unary(one, 'x'.repeat(2_000)))).toBe(2);
  });

  test('an answer of a model that stood in', async () => {
    const standIn = (one: Call) => {
      const reply = unary(one);
      one.report.model = 'other';
      return reply;
    };
    expect(await twice({}, {}, standIn)).toBe(2);
  });

  test('an answer at a temperature, where only those at 0 are', async () => {
    const at = (temperature?: number) =>
      request({ parameters: build.parameters(temperature === undefined ? {} : { temperature }) });
    const only = { deterministicOnly: true };
    expect([await twice(at(0), only), await twice(at(0.1), only), await twice(at(), only)]).toEqual([
      1, 2, 2,
    ]);
    expect(await twice(at(1))).toBe(1);
  });

  test('an error', async () => {
    let fails = true;
    const it = rig(async (call) => {
      if (fails) throw new GatewayError(ErrorReason.UPSTREAM_FAILED, 'Oops');
      return unary(call);
    });
    await expect(it.handle(callOf())).rejects.toThrow('Oops');
    fails = false;
    expect(await textOf(await it.handle(callOf()))).toBe('Hi');
    expect(it.asked).toBe(2);
    expect(it.cache.flights.size).toBe(0);
  });

  test('a stream that breaks off, or that its client leaves', async () => {
    const sources = [new Source(), new Source(), new Source()];
    const it = rig(async (call) =>
      streaming(call, (it.asked === 1 ? sources[0] : sources[it.asked - 1]) as Source),
    );
    const broken = await it.handle(callOf({ stream: true }));
    sources[0]!.give(piece('Hel'), new GatewayError(ErrorReason.UPSTREAM_INTERRUPTED, 'cut'));
    await expect(textOf(broken)).rejects.toThrow('cut');
    const left = await it.handle(callOf({ stream: true }));
    if (left.kind === 'stream') {
      await left.events.next();
      await left.events.return();
    }
    expect(sources[1]!.returned).toBe(true);
    await it.handle(callOf({ stream: true }));
    expect(it.asked).toBe(3);
  });
});

test('whoever listens is told of every call, and of what is kept', async () => {
  const it = rig(async (call) => unary(call));
  const told: string[] = [];
  it.cache.listen({
    asked: (outcome) => void told.push(outcome),
    kept: (bytes) => void told.push(bytes > 20 ? 'kept' : 'too little'),
    failed: () => void told.push('failed'),
  });
  await it.handle(callOf());
  await it.handle(callOf());
  const request = { ...callOf().request, options: build.gatewayOptions({ forceRefresh: true }) };
  await it.handle(callOf({ request }));
  expect(told).toEqual(['miss', 'kept', 'hit', 'refreshed', 'kept']);
});

test('a request that cannot be given a key goes on as without a cache', async () => {
  const it = rig(async (call) => unary(call));
  const request = { ...callOf().request, extras: build.extras('x', null as never) };
  expect(await textOf(await it.handle(callOf({ request })))).toBe('Hi');
  const odd = { ...callOf().request, messages: [{ ...user('a'), name: 5 as never, parts: [] }] };
  expect(await textOf(await it.handle(callOf({ request: odd })))).toBe('Hi');
});

describe('a wish for a new answer', () => {
  test('is asked of the provider, and is what others get from then on', async () => {
    const it = rig(async (call) => unary(call, `answer ${it.asked}`));
    await it.handle(callOf());
    const request = { ...callOf().request, options: build.gatewayOptions({ forceRefresh: true }) };
    expect(await textOf(await it.handle(callOf({ request })))).toBe('answer 2');
    expect(await textOf(await it.handle(callOf()))).toBe('answer 2');
    expect(it.cache.counts).toMatchObject({ refreshed: 1, hit: 1, miss: 1 });
  });

  test('holds for streams', async () => {
    const it = rig(async (call) => {
      const source = new Source().give(begin(call), piece(`answer ${it.asked}`), end(call), null);
      call.report.model = 'asked';
      return { kind: 'stream', events: source };
    });
    await textOf(await it.handle(callOf({ stream: true })));
    const request = { ...callOf().request, options: build.gatewayOptions({ forceRefresh: true }) };
    expect(await textOf(await it.handle(callOf({ request, stream: true })))).toBe('answer 2');
    expect(await textOf(await it.handle(callOf()))).toBe('answer 2');
  });
});

describe('equal calls at the same time', () => {
  test('share one answer of the provider, and each has a copy of its own', async () => {
    const gate = Promise.withResolvers<void>();
    const it = rig(async (call) => {
      await gate.promise;
      return unary(call);
    });
    const calls = Array.from({ length: 100 }, (_, i) => callOf({ stream: i % 2 === 1 }));
    const replies = calls.map((call) => it.handle(call));
    gate.resolve();
    const texts = await Promise.all(replies.map(async (reply) => textOf(await reply)));
    expect(new Set(texts)).toEqual(new Set(['Hi']));
    expect(it.asked).toBe(1);
    expect(it.cache.counts).toMatchObject({ miss: 1, shared: 99 });
    expect(calls[5]?.report).toMatchObject({ cache: 'shared', costUsd: '0', provider: 'p' });
    const all = await Promise.all(replies);
    const wholes = all.flatMap((reply) => (reply.kind === 'unary' ? [reply.response] : []));
    expect(new Set(wholes).size).toBe(50);
  });

  test('that come late get a stream from its beginning, and then as it goes on', async () => {
    const source = new Source();
    const it = rig(async (call) => streaming(call, source));
    const leader = callOf({ stream: true });
    const first = await it.handle(leader);
    source.give(piece('Hel'));
    if (first.kind !== 'stream') throw new Error();
    await first.events.next();
    await first.events.next();
    const follower = callOf({ stream: true });
    const second = await it.handle(follower);
    const whole = it.handle(callOf());
    source.give(piece('lo'), end(leader), null);
    const [a, b, c] = await Promise.all([textOf(first), textOf(second), whole.then(textOf)]);
    expect([a, b, c]).toEqual(['lo', 'Hello', 'Hello']);
    expect(it.asked).toBe(1);
    expect(follower.report.cache).toBe('shared');
    expect(it.cache.flights.bytes).toBe(0);
    expect(await textOf(await it.handle(callOf()))).toBe('Hello');
  });

  test('read copies: what one does to its events is not seen by another', async () => {
    const source = new Source();
    const it = rig(async (call) => streaming(call, source));
    const leader = callOf({ stream: true });
    const [first, second] = [await it.handle(leader), await it.handle(callOf({ stream: true }))];
    source.give(piece('Hi'), end(leader), null);
    if (first.kind !== 'stream') throw new Error();
    for (;;) {
      const { done, value } = await first.events.next();
      if (done) break;
      for (const { event } of value) if (event.case === 'delta') event.value.text = 'spoiled';
    }
    expect(await textOf(second)).toBe('Hi');
    expect(await textOf(await it.handle(callOf()))).toBe('Hi');
  });

  test('go on without the one that asked first', async () => {
    const source = new Source();
    const began = Promise.withResolvers<void>();
    let inner: Call | null = null;
    const it = rig(async (call) => {
      inner = call;
      await began.promise;
      return streaming(call, source);
    });
    const client = new AbortController();
    const gone = new GatewayError(ErrorReason.CANCELLED, 'the client has left');
    const first = it.handle(callOf({ stream: true, signal: client.signal }));
    const second = it.handle(callOf({ stream: true }));
    client.abort(gone);
    await expect(first).rejects.toBe(gone);
    expect(inner!.signal.aborted).toBe(false);
    began.resolve();
    source.give(piece('Hi'), end(inner!), null);
    expect(await textOf(await second)).toBe('Hi');
  });

  test('stop the provider when the last of them leaves, in the middle or before', async () => {
    for (const early of [true, false]) {
      const source = new Source();
      const began = Promise.withResolvers<void>();
      let inner: Call | null = null;
      const it = rig(async (call) => {
        inner = call;
        if (early) await began.promise;
        return streaming(call, source);
      });
      const clients = [new AbortController(), new AbortController()];
      const replies = clients.map(({ signal }) => it.handle(callOf({ stream: true, signal })));
      const gone = new GatewayError(ErrorReason.CANCELLED, 'the client has left');
      const reading = replies.map((reply) => reply.then(textOf).catch((error: unknown) => error));
      await turn();
      clients[0]!.abort(gone);
      await turn();
      expect(inner!.signal.aborted).toBe(false);
      clients[1]!.abort(gone);
      expect(inner!.signal.aborted).toBe(true);
      expect(await Promise.all(reading)).toEqual([gone, gone]);
      began.resolve();
      await turn();
      expect(source.returned).toBe(true);
      expect([it.cache.flights.size, it.cache.flights.bytes]).toEqual([0, 0]);
    }
  });

  test('have deadlines of their own; the provider has the latest', async () => {
    let inner: Call | null = null;
    const gate = Promise.withResolvers<void>();
    const it = rig(async (call) => {
      inner = call;
      await gate.promise;
      return unary(call);
    });
    const client = new AbortController();
    const first = it.handle(callOf({ deadline: 100, signal: client.signal }));
    expect(deadlineOf(inner!)).toBe(100);
    const second = it.handle(callOf({ deadline: 500 }));
    expect(deadlineOf(inner!)).toBe(500);
    const late = new GatewayError(ErrorReason.DEADLINE_EXCEEDED, 'late');
    client.abort(late);
    await expect(first).rejects.toBe(late);
    gate.resolve();
    expect(await textOf(await second)).toBe('Hi');
  });

  test('whose time is up are told how far it is, by whoever makes the answer or by its report', async () => {
    const late = new GatewayError(ErrorReason.DEADLINE_EXCEEDED, 'late');
    const told = new GatewayError(ErrorReason.DEADLINE_EXCEEDED, 'late', { provider: 'p', attempts: 7 });
    const it = rig(async ({ report, signal }) => {
      report.provider = 'p';
      report.upstreamModel = 'up';
      report.attempts = 2;
      report.tries = [build.upstreamAttempt('q', 'm', 'upstream_failed', 0)];
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      throw told;
    });
    const clients = [new AbortController(), new AbortController(), new AbortController()];
    const replies = clients.map(({ signal }) => {
      const call = callOf({ signal });
      const error = it.handle(call).catch((one: unknown) => one as GatewayError);
      return error.then((one) => ({ call, facts: (one as GatewayError).facts }));
    });
    await turn();
    for (const [i, client] of clients.entries()) {
      client.abort(late);
      const { call, facts } = await replies[i]!;
      expect([call.report.provider, call.report.upstreamModel, facts.provider]).toEqual(['p', 'up', 'p']);
      if (i === 2) expect(facts).toEqual(told.facts);
      else {
        expect(facts.attempts).toBe(2);
        expect(facts.tries?.map(({ provider, outcome }) => [provider, outcome])).toEqual([
          ['q', 'upstream_failed'],
          ['p', 'deadline_exceeded'],
        ]);
      }
    }
    expect(it.cache.flights.size).toBe(0);
  });

  test('all get its failure, each an error of its own', async () => {
    const gate = Promise.withResolvers<void>();
    const it = rig(async () => {
      await gate.promise;
      throw new GatewayError(ErrorReason.UPSTREAM_FAILED, 'Oops', { provider: 'p' });
    });
    const calls = [1, 2, 3].map((i) => it.handle(callOf({ stream: i === 3 })));
    gate.resolve();
    const errors = (await Promise.all(
      calls.map((call) =>
        call.then(
          () => null,
          (error: GatewayError) => error,
        ),
      ),
    )) as GatewayError[];
    expect(errors.map(({ rawMessage, facts }) => [rawMessage, facts.provider])).toEqual(
      Array(3).fill(['Oops', 'p']),
    );
    expect(new Set(errors).size).toBe(3);
    expect(it.asked).toBe(1);
  });

  test('do not share that the first one has no money left', async () => {
    const gate = Promise.withResolvers<void>();
    const it = rig(async (call) => {
      await gate.promise;
      if (call.principal.id === 'poor') throw new GatewayError(ErrorReason.BUDGET_EXHAUSTED, 'no money');
      return unary(call);
    });
    const ask = (id: string) => it.handle(callOf({ principal: { ...anonymous, id } }));
    const [poor, other, rich] = [ask('poor'), ask('poor'), ask('rich')];
    const failures = [poor, other].map((reply) => reply.catch((error: Error) => error.message));
    gate.resolve();
    expect(await textOf(await rich)).toBe('Hi');
    expect((await Promise.all(failures)).every((text) => String(text).includes('no money'))).toBe(true);
    expect(it.asked).toBe(2);
  });

  test('a slow one does not hold up the others, and is left behind when it is too far behind', async () => {
    const source = new Source();
    const it = rig(async (call) => streaming(call, source), { maxEntryBytes: 20_000 });
    const leader = callOf({ stream: true });
    const [fast, slow] = [await it.handle(leader), await it.handle(callOf({ stream: true }))];
    for (let i = 0; i < 100; i++) source.give(piece('x'.repeat(500)));
    source.give(end(leader), null);
    expect((await textOf(fast)).length).toBe(50_000);
    expect(it.cache.flights.bytes).toBeLessThanOrEqual(21_500);
    await expect(textOf(slow)).rejects.toMatchObject({ reason: ErrorReason.OVERLOADED });
    expect([it.cache.flights.size, it.cache.flights.bytes]).toEqual([0, 0]);
    await it.handle(callOf({ stream: true }));
    expect(it.asked).toBe(2);
  });

  test('nothing is pulled that nobody reads', async () => {
    const source = new Source();
    const it = rig(async (call) => streaming(call, source));
    const reply = await it.handle(callOf({ stream: true }));
    for (let i = 0; i < 10; i++) source.give(piece('x'));
    await turn();
    expect(source.pulled).toBe(0);
    if (reply.kind === 'stream') await reply.events.next();
    await turn();
    expect(source.pulled).toBe(1);
  });

  test('memory for what is shared is bounded in all', async () => {
    const sources: Source[] = [];
    const it = rig(
      async (call) => {
        const source = new Source();
        sources.push(source);
        return streaming(call, source);
      },
      { maxEntryBytes: 2 ** 26 },
    );
    for (let i = 0; i < 100; i++) {
      const request = build.chatRequest('asked', [user(String(i))]);
      const reply = await it.handle(callOf({ stream: true, request }));
      sources[i]!.give(piece('x'.repeat(2 ** 20)));
      if (reply.kind === 'stream') for (let n = 0; n < 2; n++) await reply.events.next();
    }
    expect(it.cache.flights.bytes).toBeLessThan(70 * 2 ** 20);
    expect(it.cache.flights.size).toBeLessThan(40);
  });
});

describe('a store', () => {
  const failing = (): CacheStore & { well: boolean } => {
    const kept = new EmbeddedCache({ maxEntries: 10, maxBytes: 2 ** 20 });
    const check = () => {
      if (!store.well) throw new Error('down');
    };
    const store = {
      well: true,
      async get(key: string) {
        check();
        return kept.get(key);
      },
      async put(...args: Parameters<EmbeddedCache['put']>) {
        check();
        kept.put(...args);
      },
      clear: kept.clear.bind(kept),
      status: kept.status.bind(kept),
    };
    return store;
  };

  test('that fails costs no call anything but its answer; the log tells once of the beginning and the end', async () => {
    const store = failing();
    const it = rig(async (call) => unary(call), {}, store);
    await it.handle(callOf());
    await turn();
    await it.handle(callOf());
    expect(it.asked).toBe(1);
    store.well = false;
    for (let i = 0; i < 3; i++) expect(await textOf(await it.handle(callOf()))).toBe('Hi');
    await turn();
    expect(it.asked).toBe(4);
    expect(it.cache.counts.failed).toBeGreaterThanOrEqual(3);
    store.well = true;
    await it.handle(callOf());
    expect(it.lines.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual([
      'the cache does not answer; calls go on without it',
      'the cache answers',
    ]);
  });

  test('that hangs is not waited for', async () => {
    const store: CacheStore = {
      ...failing(),
      get: () => new Promise(() => {}),
      put: () => new Promise(() => {}),
    };
    const it = rig(async (call) => unary(call), {}, store);
    const began = performance.now();
    expect(await textOf(await it.handle(callOf()))).toBe('Hi');
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  test('that holds something else is not believed', async () => {
    const store: CacheStore = {
      ...failing(),
      get: () => Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255]),
    };
    const it = rig(async (call) => unary(call), { ttlMs: Number.MAX_SAFE_INTEGER }, store);
    expect(await textOf(await it.handle(callOf()))).toBe('Hi');
    expect(it.asked).toBe(1);
  });

  test('is asked once by many equal calls that come while it answers', async () => {
    const it = rig(async (call) => unary(call), {}, failing());
    const texts = await Promise.all(
      Array.from({ length: 20 }, async () => textOf(await it.handle(callOf()))),
    );
    expect(texts.every((text) => text === 'Hi')).toBe(true);
    expect(it.asked).toBe(1);
  });
});

test('1,000 different large answers stay within the bound', async () => {
  const store = new EmbeddedCache({ maxEntries: 1_000, maxBytes: 8 * 2 ** 20 });
  const it = rig(async (call) => unary(call, 'x'.repeat(100_000)), {}, store);
  for (let i = 0; i < 1_000; i++) {
    await it.handle(callOf({ request: build.chatRequest('asked', [user(String(i))]) }));
  }
  const { bytes, entries } = await store.status();
  expect(bytes).toBeLessThanOrEqual(8 * 2 ** 20);
  expect(entries).toBeGreaterThan(50);
});
