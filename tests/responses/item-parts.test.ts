import { expect, test } from 'vitest';
import * as build from '../../src/model/build.ts';
import { itemFor } from '../../src/responses/item-parts.ts';

const shownAsSummary = (format: string, wanted: boolean): unknown => {
  const part = build.part({ case: 'reasoning', value: build.reasoning('', { format }) });
  const { kind } = itemFor(part, (prefix) => `${prefix}_1`, wanted);
  return kind.case === 'reasoning' ? kind.value.shownAsSummary : null;
};

test.each([
  ['anthropic-claude-v1', true],
  ['google-gemini-v1', true],
  ['', true],
  ['openai-responses-v1', false],
  ['xai-responses-v1', false],
  ['openrouter-responses-v1', false],
])('reasoning of form "%s" stands in for the summary that is asked for: %s', (format, expected) => {
  expect(shownAsSummary(format, true)).toBe(expected);
  expect(shownAsSummary(format, false)).toBe(false);
});
