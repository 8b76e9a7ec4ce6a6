import { describe, expect, test, vi } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { anonymous } from '../../src/auth/principal.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import * as build from '../../src/model/build.ts';
import { type ChatCall, type Handler, pipeline, type Reply } from '../../src/pipeline/call.ts';
import { legacyFunctionsStage } from '../../src/pipeline/legacy-functions.ts';
import { paramsStage } from '../../src/pipeline/params.ts';
import { preflightStage } from '../../src/pipeline/preflight.ts';
import { reasoningStateStage } from '../../src/pipeline/reasoning-state.ts';
import { resilienceStage } from '../../src/pipeline/resilience.ts';
import { responsesStage } from '../../src/pipeline/responses.ts';
import type { Deployment, RoutePlan } from '../../src/pipeline/route.ts';
import { threadsStage } from '../../src/pipeline/threads.ts';
import type { ChatWay, Provider } from '../../src/providers/provider.ts';
import { StateMemory } from '../../src/reasoning/state-memory.ts';
import { Origins } from '../../src/resilience/origins.ts';
import { Targets } from '../../src/resilience/targets.ts';
import { rulesOf } from '../resilience/support.ts';

const timeouts = { connectMs: 1_000, firstByteMs: 1_000, idleMs: 1_000 };

const provider = (name: string, unsupported: string[] = [], responses?: ChatWay): Provider => ({
  name,
  missing: null,
  unsupported: () => new Set(unsupported),
  ...(responses === undefined ? {} : { responses }),
});

const way = { unsupported: () => new Set() } as unknown as ChatWay;
const at = (one: Provider, upstreamModel = 'm'): Deployment => ({
  provider: one,
  upstreamModel,
  timeouts,
  weight: 1,
  names: [],
  price: 0,
});

const planOf = (deployments: Deployment[], fallbacks: Deployment[] = []): RoutePlan => ({
  model: 'asked',
  deployments,
  routing: 'order',
  sticky: false,
  fallbacks: fallbacks.map((one) => ({
    model: `${one.provider.name}/m`,
    deployments: [one],
    routing: 'order',
    sticky: false,
  })),
  contextFallbacks: [],
});

const user = build.message(Role.USER, [build.textPart('Hello')]);

function callOf(plan: RoutePlan, changes: Partial<ChatCall> = {}): ChatCall {
  return {
    kind: 'chat',
    id: 'r1',
    face: 'rpc',
    principal: anonymous,
    stream: false,
    signal: new AbortController().signal,
    request: build.chatRequest('asked', [user]),
    route: plan.deployments[0] as Deployment,
    plan,
    report: build.callReport('', ''),
    ...changes,
  };
}

const answer = (parts = [build.textPart('Hi')]): Reply => ({
  kind: 'unary',
  response: build.chatResponse('c1', 'm', 1, [build.choice(0, build.message(Role.ASSISTANT, parts), 1)]),
});
const broken = (name: string): GatewayError =>
  new GatewayError(ErrorReason.UPSTREAM_FAILED, `provider ${name} failed`, {
    provider: name,
    upstreamStatus: 500,
  });

const noRetries = rulesOf({ retry: { ...rulesOf().retry, maxAttempts: 1 } });
const stageOf = (origins = new Origins(), rules = noRetries) =>
  resilienceStage({ targets: new Targets(() => rules), origins });

/** Freezes a value in depth. */
function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) frozen(item);
  }
  return value;
}

describe('an attempt', () => {
  const picky = provider('picky', ['seed', 'user', 'stop', 'prompt_cache_key']);
  const easy = provider('easy', ['user'], way);
  const request = frozen(
    build.chatRequest(
      'asked',
      [
        user,
        build.message(Role.ASSISTANT, [
          build.part({ case: 'toolCall', value: build.toolCall('c1', 'f', '{}') }),
        ]),
        build.message(
          Role.FUNCTION,
          [build.part({ case: 'toolResult', value: build.toolResult('', [build.textPart('1')]) })],
          { name: 'f' },
        ),
      ],
      {
        parameters: build.parameters({ seed: 1, user: 'me', promptCacheKey: 'k' }),
        extras: build.extras('openai.responses', '{"truncation":"auto","thread":null}'),
        options: build.gatewayOptions({ dropParams: true }),
      },
    ),
  );

  test('leaves the request as it was, and what it dropped goes when it fails', async () => {
    const seen: [string, unknown][] = [];
    const last: Handler = async (call) => {
      const name = call.route?.provider.name ?? '';
      call.report.provider = name;
      call.report.attempts++;
      call.report.warnings.push(build.warning('from', name));
      seen.push([name, (call as ChatCall).request.parameters?.seed]);
      if (name === 'picky') throw broken(name);
      return answer();
    };
    const memory = new StateMemory({ maxSize: 1_000_000, ttlMs: 60_000 });
    const row = pipeline(
      [
        stageOf(),
        threadsStage,
        paramsStage,
        responsesStage,
        legacyFunctionsStage,
        reasoningStateStage(memory),
      ],
      last,
    );
    const call = callOf(planOf([at(picky)], [at(easy)]), { request, api: 'responses' });
    await row(call);
    expect(call.request).toBe(request);
    expect(seen).toEqual([
      ['picky', undefined],
      ['easy', 1],
    ]);
    expect(call.report).toMatchObject({
      provider: 'easy',
      model: 'easy/m',
      attempts: 2,
      droppedParams: [],
      warnings: [{ message: 'easy' }],
    });
    expect(call.report.tries.map(({ outcome }) => outcome)).toEqual(['upstream_failed', 'success']);
  });

  test('is refused by the first route as ever, and by a fallback without a word', async () => {
    const stop = {
      request: build.chatRequest('asked', [user], { parameters: build.parameters({ stop: ['x'] }) }),
    };
    const last: Handler = async ({ route }) => {
      throw broken(route?.provider.name ?? '');
    };
    const row = pipeline([stageOf(), paramsStage], last);
    await expect(row(callOf(planOf([at(picky)], [at(easy)]), stop))).rejects.toMatchObject({
      reason: ErrorReason.UNSUPPORTED_PARAMETER,
      facts: { field: 'parameters.stop' },
    });
    await expect(row(callOf(planOf([at(easy)], [at(picky)]), stop))).rejects.toMatchObject({
      reason: ErrorReason.UPSTREAM_FAILED,
      facts: { provider: 'easy' },
    });
  });

  test('is refused before tools run that the client has approved', async () => {
    const order: string[] = [];
    const row = pipeline([preflightStage([paramsStage])], async () => {
      order.push('went on');
      return answer();
    });
    const parameters = build.parameters({ stop: ['x'], seed: 1 });
    const options = build.gatewayOptions({ approvedToolCalls: ['*'] });
    const of = (asked: typeof parameters): ChatCall =>
      callOf(planOf([at(picky)]), {
        request: build.chatRequest('asked', [user], { parameters: asked, options }),
      });
    await expect(async () => row(of(parameters))).rejects.toMatchObject({
      reason: ErrorReason.UNSUPPORTED_PARAMETER,
    });
    expect(order).toEqual([]);
    const call = of(build.parameters({ seed: 1 }));
    await row(call);
    expect([order, call.report.droppedParams]).toEqual([['went on'], []]);
  });
});

describe('hedges', () => {
  const pair = planOf([at(provider('slow')), at(provider('fast'))]);

  /** How many of so many calls, one after the other, ask another deployment beside the slow one. */
  async function hedged(calls: number, budgetPercent: number): Promise<number> {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      const targets = new Targets(() => rulesOf({ hedge: { delay: 10, budgetPercent } }));
      let count = 0;
      targets.listen({ hedged: () => void count++ });
      const row = resilienceStage({ targets, origins: new Origins() })(async ({ route }) => {
        if (route?.provider.name === 'slow') await new Promise((resolve) => setTimeout(resolve, 50));
        return answer();
      });
      for (let i = 0; i < calls; i++) {
        const reply = row(callOf(pair));
        await vi.advanceTimersByTimeAsync(60);
        await reply;
      }
      return count;
    } finally {
      vi.useRealTimers();
    }
  }

  test('are a share of the calls of the provider that is slow, beyond a burst', async () => {
    expect(await hedged(30, 100)).toBe(30);
    const tenth = await hedged(500, 10);
    expect(tenth).toBeGreaterThanOrEqual(55);
    expect(tenth).toBeLessThanOrEqual(61);
  });
});

test('the report of a call that failed names whom the client is told of', async () => {
  const last: Handler = async ({ route, report }) => {
    const name = route?.provider.name ?? '';
    if (name === 'full') throw new GatewayError(ErrorReason.RATE_LIMITED, 'too many', { provider: name });
    report.provider = name;
    report.upstreamModel = route?.upstreamModel ?? '';
    report.attempts++;
    throw broken(name);
  };
  const call = callOf(planOf([at(provider('full'), 'large')], [at(provider('down'), 'small')]));
  await expect(stageOf()(last)(call)).rejects.toMatchObject({ facts: { provider: 'full', attempts: 1 } });
  expect(call.report).toMatchObject({ provider: 'full', upstreamModel: 'large', attempts: 1 });
  expect(call.report.tries.map(({ outcome }) => outcome)).toEqual(['rate_limited', 'upstream_failed']);
});

describe('content that only its maker can read', () => {
  const [east, west] = [provider('east', [], way), provider('west', [], way)];
  const other = provider('other');
  const thought = (encrypted: string) =>
    build.part({
      case: 'reasoning',
      value: build.reasoning('', { encrypted, format: 'openai-responses-v1' }),
    });
  const next = (encrypted: string): ChatCall['request'] =>
    build.chatRequest('asked', [user, build.message(Role.ASSISTANT, [thought(encrypted)]), user]);

  async function setUp(fallbacks: Deployment[]) {
    const origins = new Origins();
    const asked: string[] = [];
    let failing: string[] = ['east'];
    const row = pipeline([stageOf(origins)], async (call) => {
      const name = call.route?.provider.name ?? '';
      call.report.provider = name;
      asked.push(name);
      if (failing.includes(name)) throw broken(name);
      return answer([thought(`of ${name}`)]);
    });
    const plan = planOf([at(east), at(west)], fallbacks);
    await row(callOf(plan, { api: 'responses' }));
    expect(asked.splice(0)).toEqual(['east', 'west']);
    failing = [];
    return { row, plan, asked, fail: (...names: string[]) => void (failing = names) };
  }

  test('goes to its maker', async () => {
    const { row, plan, asked } = await setUp([]);
    await row(callOf(plan, { api: 'responses', request: next('of west') }));
    await row(callOf(plan, { api: 'responses', request: next('of nobody') }));
    expect(asked).toEqual(['west', 'east']);
  });

  test('goes nowhere else when that is down: an error at once', async () => {
    const { row, plan, asked, fail } = await setUp([]);
    fail('west');
    await expect(row(callOf(plan, { api: 'responses', request: next('of west') }))).rejects.toMatchObject({
      facts: { provider: 'west' },
    });
    expect(asked).toEqual(['west']);
  });

  test('may be left out by a provider that takes no such thing', async () => {
    const { row, plan, asked, fail } = await setUp([at(east, 'n'), at(other)]);
    fail('west');
    await row(callOf(plan, { api: 'responses', request: next('of west') }));
    expect(asked).toEqual(['west', 'other']);
  });
});
