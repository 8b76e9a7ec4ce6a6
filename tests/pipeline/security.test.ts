import { describe, expect, test } from 'vitest';
import { type Message, Role } from '../../gen/llmgateway/v1/message_pb.js';
import type { AuditEntry } from '../../src/audit/entry.ts';
import { anonymous } from '../../src/auth/principal.ts';
import * as build from '../../src/model/build.ts';
import { auditStage } from '../../src/pipeline/audit.ts';
import { type Call, type Handler, pipeline, type Stage } from '../../src/pipeline/call.ts';
import { screened, securityGuard, securityRoundsStage, securityStage } from '../../src/pipeline/security.ts';
import type { SecurityMode } from '../../src/security/mode.ts';
import { Screen } from '../../src/security/screening.ts';

const secret = 'sk-proj-Zq8vT2xLw9Rk4Nb7Yc1Md6Hs3Jf5';
const said = (text: string): Message => build.message(Role.USER, [build.textPart(text)]);
const deployment = (name: string, secure: boolean) =>
  ({ provider: { name }, upstreamModel: 'm', secure, names: [], weight: 1, price: 0 }) as never;
const group = (name: string, secure: boolean) => ({
  model: `${name}/m`,
  deployments: [deployment(name, secure)],
  routing: 'order' as const,
  sticky: false,
});

const callOf = (text: string, more: Partial<Call> = {}): Call =>
  ({
    kind: 'chat',
    id: 'r',
    face: 'test',
    principal: anonymous,
    stream: false,
    signal: new AbortController().signal,
    request: build.chatRequest('east/m', [said(text)]),
    route: deployment('east', false),
    plan: { ...group('east', false), fallbacks: [group('west', true)], contextFallbacks: [] },
    report: build.callReport('', ''),
    ...more,
  }) as Call;

const answers: Handler = async () => ({ kind: 'unary', response: { usage: undefined } as never });

/** Stages of a mode, and what they count. */
function stages(mode: SecurityMode) {
  const counted: string[] = [];
  const policy = () => ({
    screen: new Screen({ keywords: [], threshold: 0.7 }),
    mode,
    tenants: new Map(),
    standIns: () => [],
  });
  const options = {
    policy,
    onScreened: (_mode: SecurityMode, outcome: string) => void counted.push(outcome),
  };
  return { counted, policy, outer: securityStage(options), rounds: securityRoundsStage(options) };
}

test('the guard rejects, as every stage does, so that what others hold is given back', async () => {
  const call = callOf('Hi', { confined: true });
  const refused = securityGuard(() => expect.unreachable('nobody is asked'))(call);
  await expect(refused).rejects.toThrow('was about to go');
});

describe('a call is counted once', () => {
  /** A tool that brings texts, one a round. */
  const tool =
    (...brings: string[]): Stage =>
    (next) =>
    async (call) => {
      let { request } = call as Extract<Call, { kind: 'chat' }>;
      await next({ ...call } as Call);
      for (const text of brings) {
        request = { ...request, messages: [...request.messages, said(text)] };
        await next({ ...call, request } as Call);
      }
      return answers(call);
    };
  const tools = { enabled: new Map(), clientHasOwn: false, rounds: 0, ran: new Set<string>() };

  test.each([
    ['report', [], ['plain']],
    ['report', ['nothing', secret, secret], ['sensitive']],
    ['route', ['nothing', secret], ['kept_from']],
  ] as const)('in mode %s, whatever its tools bring: %j', async (mode, brings, expected) => {
    const { counted, outer, rounds } = stages(mode);
    await pipeline([outer, tool(...brings), rounds], answers)(callOf('Hi', { tools } as Partial<Call>));
    expect(counted).toEqual(expected);
  });

  test('also where no tool, but context management brings something', async () => {
    const { counted, outer, rounds } = stages('route');
    const context: Stage = (next) => (call) => {
      call.request = { ...call.request, messages: [said(secret)] } as never;
      return next(call);
    };
    const asked: string[] = [];
    const last: Handler = async (call) => {
      asked.push(call.route?.provider.name ?? '');
      return answers(call);
    };
    await pipeline([outer, context, rounds], last)(callOf('Hi'));
    expect([asked, counted]).toEqual([['west'], ['kept_from']]);
  });

  test('as refused where a tool brings what is blocked', async () => {
    const { counted, outer, rounds } = stages('block');
    const handle = pipeline([outer, tool(secret), rounds], answers);
    await expect(handle(callOf('Hi', { tools } as Partial<Call>))).rejects.toThrow('holds sensitive text');
    expect(counted).toEqual(['refused']);
  });

  test('at once where no tool can bring anything', async () => {
    const { counted, outer } = stages('report');
    await pipeline([outer], answers)(callOf(secret));
    await pipeline([outer], answers)(callOf('Hi'));
    expect(counted).toEqual(['sensitive', 'plain']);
  });
});

describe('a plain call', () => {
  const events = { next: () => expect.unreachable(), return: () => expect.unreachable() };
  const streams: Handler = async () => ({ kind: 'stream', events: events as never });
  const eventsOf = async (outer: Stage, more: object = {}) => {
    const reply = await pipeline([outer], streams)(callOf('Hi', more as Partial<Call>));
    return reply.kind === 'stream' ? reply.events : null;
  };

  test('without tools is counted when its answer begins, which nobody looks at', async () => {
    const { counted, outer } = stages('report');
    expect(await eventsOf(outer)).toBe(events);
    expect(counted).toEqual(['plain']);
    const failing = pipeline([outer], () => Promise.reject(new Error('oops')));
    await expect(failing(callOf('Hi'))).rejects.toThrow('oops');
    expect(counted).toEqual(['plain', 'plain']);
  });

  test('with tools is counted at its end, where anybody counts', async () => {
    const tools = { enabled: new Map(), clientHasOwn: false, rounds: 0, ran: new Set<string>() };
    const { counted, outer, policy } = stages('report');
    expect(await eventsOf(outer, { tools })).not.toBe(events);
    expect(counted).toEqual([]);
    expect(await eventsOf(securityStage({ policy }), { tools })).toBe(events);
  });
});

test('texts that go to no model are asked for only where somebody looks', () => {
  const texts = () => expect.unreachable('nobody looks');
  expect(screened(stages('off').policy(), { tenant: '', face: undefined }, texts)).toBeNull();
  const { policy } = stages('report');
  expect(screened(policy(), { tenant: '', face: undefined }, () => [secret])?.sensitive).toBe(true);
});

describe('the audit trail says where a call would have gone', () => {
  test.each([
    ['to one that may not have it', secret, {}],
    ['by the choice of the gateway, before caution led it elsewhere', 'a secret', { chosen: true }],
  ])('%s', async (_what, text, more) => {
    const lines: AuditEntry[] = [];
    const { outer } = stages('route');
    const asked: string[] = [];
    const last: Handler = async (call) => {
      asked.push(call.route?.provider.name ?? '');
      return answers(call);
    };
    await pipeline([auditStage((entry) => void lines.push(entry)), outer], last)(callOf(text, more));
    expect([asked, lines[0]?.provider_requested]).toEqual([['west'], 'east']);
  });
});
