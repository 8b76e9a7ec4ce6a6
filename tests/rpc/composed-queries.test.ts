import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { AnswerSchema, type Prompt, PromptSchema } from '../../gen/llmgateway/v1/query_service_pb.js';
import { anonymous } from '../../src/auth/principal.ts';
import type { GatewayError } from '../../src/errors/gateway-error.ts';
import { invalidRequest } from '../../src/errors/gateway-error.ts';
import * as build from '../../src/model/build.ts';
import { OpenCalls } from '../../src/pipeline/open-calls.ts';
import { composedQueries } from '../../src/rpc/composed-queries.ts';
import type { QueryContext } from '../../src/rpc/query-api.ts';
import type { ServiceCall } from '../../src/rpc/service-calls.ts';

const context: QueryContext = {
  requestId: 'r',
  face: 'query',
  principal: { ...anonymous, tenant: 'acme' },
  client: () => () => {},
  timeoutMs: null,
  correlationId: 'c',
};

/** Composed queries over services that say what the test wants. */
function rig(says: (service: string) => unknown = () => ({}), screenFails = false) {
  const asked: { prompt: Prompt; context: QueryContext }[] = [];
  const over: { call: ServiceCall; error: GatewayError | null }[] = [];
  const made = composedQueries({
    queries: {
      ask: async (prompt, own) => {
        asked.push({ prompt, context: own });
        return create(AnswerSchema, { response: 'yes' });
      },
      stream: () => expect.unreachable('not streamed'),
      embed: () => expect.unreachable('no vectors'),
    },
    integrations: () => ({ call: async (service: string) => JSON.stringify(says(service)) }) as never,
    optionalMs: () => 1_000,
    limits: { totalMs: () => 5_000, open: new OpenCalls() },
    screen() {
      const report = build.sensitivityReport('block');
      if (!screenFails) return report;
      report.sensitive = true;
      const error = invalidRequest('', 'sensitive');
      error.sensitivity = report;
      throw error;
    },
    onOver: (call, error) => void over.push({ call, error }),
  });
  return { made, asked, over };
}
const promptOf = (more: MessageInitShape<typeof PromptSchema>): Prompt =>
  create(PromptSchema, { prompt: 'What is it?', ...more });

test('the model has what is left of the time of the whole call, also where the client names none', async () => {
  const { made, asked } = rig();
  await made.enhanced(promptOf({}), context);
  await made.contextual(promptOf({}), { ...context, timeoutMs: 900 });
  const [whole, own] = asked.map((one) => one.context.timeoutMs ?? Number.POSITIVE_INFINITY);
  expect(whole).toBeLessThan(5_000);
  expect(whole).toBeGreaterThan(3_000);
  expect(own).toBeLessThan(900);
});

describe('what services say', () => {
  const long = 'word '.repeat(100_000);

  test('is bounded in the prompt of an enhanced query', async () => {
    const documents = Array.from({ length: 1_000 }, (_, i) => ({
      title: `t${i}`,
      content: long.slice(0, 10_000),
    }));
    const { made, asked } = rig((service) =>
      service === 'doc_store' ? { documents } : service === 'prompt_store' ? {} : { summary: long },
    );
    await made.enhanced(promptOf({ contextJson: '{"own":1}' }), context);
    const text = asked[0]?.prompt.contextJson ?? '';
    expect(text.length).toBeLessThan(40_000);
    const parts = JSON.parse(text) as Record<string, unknown>;
    expect(parts['own']).toBe(1);
    expect(parts['documents']).toHaveLength(5);
    expect(parts['documents']).toEqual(expect.arrayContaining([expect.stringMatching(/^t0: word /)]));
  });

  test('is whole where it is short', async () => {
    const { made, asked } = rig((service) => ({ from: service }));
    await made.enhanced(promptOf({}), context);
    expect(JSON.parse(asked[0]?.prompt.contextJson ?? '')).toEqual({
      conversation_history: { from: 'memory_agent' },
      security_analysis: { from: 'secure_analyzer' },
      interpretation: { from: 'interpreter' },
      documents: { from: 'doc_store' },
    });
  });
});

describe('a contextual query says nothing twice', () => {
  const timesIn = (text: string, part: string): number => text.split(part).length - 1;

  test.each([
    ['without a prompt of the store', ''],
    ['with one', 'Explain well.'],
    ['with one that has the question', 'Explain well: What is it?'],
  ])('%s', async (_what, content) => {
    const { made, asked } = rig((service) => (service === 'prompt_store' ? { content } : null));
    await made.contextual(promptOf({ contextJson: '{"place":"here"}' }), context);
    await made.contextual(promptOf({ context: 'We are here.' }), context);
    const [json, text] = asked.map(({ prompt }) => `${prompt.prompt}${prompt.context}${prompt.contextJson}`);
    expect(timesIn(json ?? '', 'What is it?')).toBe(1);
    expect(timesIn(json ?? '', '{"place":"here"}')).toBe(1);
    expect(timesIn(text ?? '', 'User context: We are here.')).toBe(1);
    expect(timesIn(text ?? '', 'We are here.')).toBe(1);
  });
});

describe('a workflow that is refused', () => {
  test('has its line, with who asked and what was found', async () => {
    const { made, over } = rig(() => ({}), true);
    await expect(made.workflow(promptOf({ userId: 'u' }), '', context)).rejects.toThrow('sensitive');
    expect(over).toMatchObject([
      { call: { user: 'u', context: { principal: { tenant: 'acme' } }, sensitivity: { sensitive: true } } },
    ]);
  });

  test('has it also where its prompt cannot be read', async () => {
    const { made, over } = rig();
    await expect(made.workflow(promptOf({ contextJson: '[' }), '', context)).rejects.toThrow('context_json');
    expect(over).toHaveLength(1);
  });
});
