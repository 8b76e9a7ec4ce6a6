import { describe, expect, test } from 'vitest';
import { type GenerationParameters, ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import * as build from '../../../src/model/build.ts';
import { asked, call, f, ofChat, type Request, refused, withParameters } from './support/written.ts';

describe('thinking', () => {
  const effort = (
    reasoningEffort: string,
    model: string,
    more: Partial<GenerationParameters> = {},
    rest: Partial<Request> = {},
  ) => {
    const { body, warnings } = withParameters({ reasoningEffort, ...more }, model, rest);
    const { thinking, output_config: config, max_tokens: limit } = body;
    return { thinking, effort: config?.effort, limit, warnings };
  };
  const forced = {
    tools: [build.tool({ case: 'function', value: build.functionTool('f') })],
    toolChoice: build.toolChoice(ToolChoice_Mode.REQUIRED),
  };

  test.each<[string, string, unknown, unknown]>([
    ['high', 'claude-sonnet-4-5', { type: 'enabled', budget_tokens: 16_384 }, undefined],
    ['minimal', 'claude-3-7-sonnet-20250219', { type: 'enabled', budget_tokens: 1_024 }, undefined],
    [
      'low',
      'us.anthropic.claude-haiku-4-5-20251001-v1:0',
      { type: 'enabled', budget_tokens: 2_048 },
      undefined,
    ],
    ['medium', 'glm-5', { type: 'enabled', budget_tokens: 8_192 }, undefined],
    ['max', 'claude-opus-4@20250514', { type: 'enabled', budget_tokens: 30_976 }, undefined],
    ['medium', 'claude-opus-4-6', { type: 'adaptive' }, 'medium'],
    ['xhigh', 'claude-sonnet-4.6', { type: 'adaptive' }, 'high'],
    ['minimal', 'claude-opus-4-7', { type: 'adaptive', display: 'summarized' }, 'low'],
    ['xhigh', 'claude-sonnet-5-5', { type: 'adaptive', display: 'summarized' }, 'xhigh'],
    ['none', 'claude-sonnet-4-5', { type: 'disabled' }, undefined],
    ['none', 'claude-opus-4-8', undefined, undefined],
    ['none', 'claude-opus-5', { type: 'disabled' }, undefined],
    ['none', 'claude-haiku-5-5', { type: 'disabled' }, undefined],
    ['none', 'claude-sonnet-5-5', { type: 'between_tools' }, undefined],
  ])('effort %s of %s', (word, model, thinking, config) => {
    expect(effort(word, model)).toMatchObject({ thinking, effort: config, warnings: [] });
  });

  test.each(['claude-opus-5-5', 'claude-fable-5', 'claude-mythos-preview'])(
    '%s thinks always, if little',
    (model) => {
      expect(effort('none', model)).toMatchObject({
        thinking: undefined,
        effort: 'low',
        warnings: ['dropped_reasoning_effort'],
      });
    },
  );

  test('a model that does not think is not asked to', () => {
    expect(effort('high', 'claude-3-5-haiku-20241022')).toMatchObject({
      thinking: undefined,
      warnings: ['dropped_reasoning_effort'],
    });
    expect(effort('none', 'claude-3-haiku-20240307')).toMatchObject({ thinking: undefined, warnings: [] });
    expect(effort('', 'claude-3-haiku-20240307', { reasoningBudgetTokens: 2_000 }).warnings).toEqual([
      'dropped_reasoning_budget',
    ]);
  });

  test('leaves room for the answer', () => {
    const model = 'claude-sonnet-4-5';
    expect(effort('high', model, { maxOutputTokens: 5_000 })).toMatchObject({
      thinking: { budget_tokens: 3_976 },
      limit: 5_000,
    });
    expect(effort('high', model, { maxOutputTokens: 1_500 })).toMatchObject({
      thinking: { budget_tokens: 1_024 },
    });
    expect(effort('high', model, { maxOutputTokens: 1_024 })).toMatchObject({
      thinking: undefined,
      warnings: ['dropped_reasoning_effort'],
    });
    expect(effort('high', 'glm-5')).toMatchObject({ limit: 20_480 });
  });

  test('with a budget', () => {
    const budget = (reasoningBudgetTokens: number, model: string, more: Partial<GenerationParameters> = {}) =>
      effort('low', model, { reasoningBudgetTokens, ...more });
    const model = 'claude-opus-4-6';
    expect(budget(2_000, model)).toMatchObject({
      thinking: { type: 'enabled', budget_tokens: 2_000 },
      effort: undefined,
      warnings: [],
    });
    expect(budget(10, model)).toMatchObject({
      thinking: { budget_tokens: 1_024 },
      warnings: ['changed_reasoning_budget'],
    });
    expect(budget(9_000, model, { maxOutputTokens: 4_000 })).toMatchObject({
      thinking: { budget_tokens: 3_999 },
      limit: 4_000,
    });
    expect(budget(0, model)).toMatchObject({ thinking: { type: 'disabled' } });
    expect(budget(9_000, 'claude-opus-4-8')).toMatchObject({
      thinking: { type: 'adaptive' },
      effort: 'low',
      warnings: ['dropped_reasoning_budget'],
    });
    expect(effort('', 'claude-opus-4-8', { reasoningBudgetTokens: 9_000 }).effort).toBe('high');
    expect(budget(2_000, model, { maxOutputTokens: 1_024 })).toMatchObject({
      thinking: undefined,
      warnings: ['dropped_reasoning_budget'],
    });
    expect(budget(99_000, 'glm-5')).toMatchObject({ thinking: { budget_tokens: 99_000 }, limit: 103_096 });
  });

  test('between calls of tools may be larger than the answer', () => {
    const extras = build.extras(
      'anthropic.messages',
      '{"anthropic_beta":["interleaved-thinking-2025-05-14"]}',
    );
    const more = { reasoningBudgetTokens: 9_000, maxOutputTokens: 4_000 };
    expect(effort('', 'claude-sonnet-4-5', more, { extras })).toMatchObject({
      thinking: { budget_tokens: 9_000 },
      limit: 4_000,
      warnings: [],
    });
  });

  test('and a tool that has to be called: an effort gives way, a budget is refused', () => {
    expect(effort('high', 'claude-sonnet-4-5', {}, forced)).toMatchObject({
      thinking: undefined,
      warnings: ['dropped_reasoning_effort'],
    });
    expect(effort('high', 'claude-opus-4-6', {}, forced)).toMatchObject({
      thinking: undefined,
      effort: 'high',
      warnings: ['dropped_thinking'],
    });
    const error = refused(() => effort('', 'claude-sonnet-4-5', { reasoningBudgetTokens: 2_000 }, forced));
    expect(error).toMatchObject({ status: 400, facts: { field: 'tool_choice' } });
    const options = build.gatewayOptions({ dropParams: true });
    const rest = { ...forced, options };
    expect(effort('', 'claude-sonnet-4-5', { reasoningBudgetTokens: 2_000 }, rest)).toMatchObject({
      thinking: undefined,
      warnings: ['dropped_reasoning_budget'],
    });
  });

  test('does not go on in a turn whose thoughts are lost', () => {
    const messages = (...details: unknown[]) => [
      asked,
      { role: 'assistant', content: null, tool_calls: [call('c')], reasoning_details: details },
      { role: 'tool', tool_call_id: 'c', content: '1' },
    ];
    const signed = { type: 'reasoning.text', text: 'Hm.', signature: 's', format: 'anthropic-claude-v1' };
    const ask = (list: unknown[], model: string) =>
      ofChat({ messages: list, tools: [f], reasoning_effort: 'high' }, { model });
    expect(ask(messages(), 'claude-sonnet-4-5')).toMatchObject({ warnings: ['dropped_reasoning_effort'] });
    expect(ask(messages(), 'claude-sonnet-4-5').body.thinking).toBeUndefined();
    expect(ask(messages(signed), 'claude-sonnet-4-5').body.thinking).toMatchObject({ type: 'enabled' });
    expect(
      ask([...messages(), { role: 'assistant', content: 'So.' }, asked], 'claude-sonnet-4-5').body.thinking,
    ).toBeDefined();
    expect(ask(messages(), 'claude-opus-4-6').body.thinking).toEqual({ type: 'adaptive' });
  });

  test('works with a form of the answer', () => {
    const { body, warnings } = ofChat({
      reasoning_effort: 'low',
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } },
    });
    expect(body).toMatchObject({
      thinking: { type: 'enabled' },
      output_config: { format: { type: 'json_schema', schema: { type: 'object' } } },
    });
    expect(warnings).toEqual([]);
  });
});
