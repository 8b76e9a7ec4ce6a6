import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ModelPrice, ModelPriceSchema } from '../../gen/llmgateway/v1/models_service_pb.js';
import { decodeUsage as decodeMessagesUsage } from '../../src/codec/anthropic-messages/decode-usage.ts';
import { decodeUsage as decodeConverseUsage } from '../../src/codec/bedrock-converse/usage.ts';
import { decodeUsage as decodeGeminiUsage } from '../../src/codec/gemini/usage.ts';
import { decodeUsage } from '../../src/codec/openai-chat/usage.ts';
import * as build from '../../src/model/build.ts';
import { costOf, type PriceOf } from '../../src/usage/cost.ts';
import { formatNano, formatUsd, nanoOf, parseUsd, picoOf } from '../../src/usage/money.ts';
import { Pricing } from '../../src/usage/price.ts';
import { addCost } from '../../src/usage/tell.ts';
import { costMembers, splitTokens } from '../../src/usage/tokens.ts';
import { recordings } from '../support/recordings.ts';

const price = (init: Omit<Partial<ModelPrice>, 'variants'> & { variants?: object[] }): Pricing =>
  new Pricing(create(ModelPriceSchema, init as never));
const cost = (usage: ReturnType<typeof decodeUsage>, of: PriceOf, tier = ''): string | null => {
  const { pico } = costOf(usage!, of, tier);
  return pico === null ? null : formatUsd(pico);
};
const sonnet = price({ input: 3, cachedInput: 0.3, cacheWrite: 3.75, cacheWrite1h: 6, output: 15 });

describe('money', () => {
  test('is told with all its digits and no more', () => {
    expect(
      ['0', '1', '0.5', '12.000000000001', '8.725e-05', '1e3', '1.50'].map((text) =>
        formatUsd(parseUsd(text)!),
      ),
    ).toEqual(['0', '1', '0.5', '12.000000000001', '0.00008725', '1000', '1.5']);
    expect(parseUsd('0.0000000000005')).toBe(1n);
    expect(parseUsd('0.00000000000049')).toBe(0n);
    expect(['', '-1', '.5', '1.', 'x', '1e', '0x1'].map(parseUsd)).toEqual(Array(7).fill(null));
    expect([picoOf(Number.NaN), picoOf(-1), picoOf(Number.POSITIVE_INFINITY)]).toEqual([null, null, null]);
    expect(picoOf(0.1)! + picoOf(0.2)!).toBe(picoOf(0.3));
  });

  test('comes back as it went', () => {
    fc.assert(fc.property(fc.bigInt(0n, 10n ** 24n), (pico) => parseUsd(formatUsd(pico)) === pico));
  });

  test('of budgets is rounded up', () => {
    expect([nanoOf(0n), nanoOf(1n), nanoOf(1_000n), nanoOf(1_001n)]).toEqual([0, 1, 1, 2]);
    expect(formatNano(1_500_000_000)).toBe('1.5');
  });
});

describe('what tokens cost', () => {
  test('each is counted once, as what it is', () => {
    const usage = build.usage(1_000, 100, { cachedTokens: 600, cacheWriteTokens: 300, reasoningTokens: 40 });
    // 100 × 3 + 600 × 0.3 + 300 × 3.75 + 100 × 15, for a million.
    expect(cost(usage, sonnet)).toBe('0.003105');
  });

  test("writes to Anthropic's cache for an hour have their own price, in both of its forms", () => {
    const messages = decodeMessagesUsage({
      input_tokens: 10,
      cache_creation_input_tokens: 300,
      cache_read_input_tokens: 0,
      cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 },
      output_tokens: 1,
    });
    // 10 × 3 + 100 × 3.75 + 200 × 6 + 15
    expect(cost(messages, sonnet)).toBe('0.00162');
    const converse = decodeConverseUsage({
      inputTokens: 10,
      outputTokens: 1,
      cacheReadInputTokens: 0,
      cacheWriteInputTokens: 300,
      cacheDetails: [
        { inputTokens: 100, ttl: '5m' },
        { inputTokens: 200, ttl: '1h' },
      ],
    });
    expect(cost(converse, sonnet)).toBe('0.00162');
  });

  test('sound and pictures cost what they cost, read from the cache or not', () => {
    const flash = price({
      input: 0.3,
      cachedInput: 0.03,
      audioInput: 1,
      cachedAudioInput: 0.1,
      imageInput: 0.5,
      output: 2.5,
      audioOutput: 10,
    });
    const usage = decodeGeminiUsage({
      promptTokenCount: 1_000,
      cachedContentTokenCount: 400,
      candidatesTokenCount: 50,
      promptTokensDetails: [
        { modality: 'TEXT', tokenCount: 600 },
        { modality: 'AUDIO', tokenCount: 300 },
        { modality: 'IMAGE', tokenCount: 100 },
      ],
      cacheTokensDetails: [
        { modality: 'TEXT', tokenCount: 300 },
        { modality: 'AUDIO', tokenCount: 100 },
      ],
      candidatesTokensDetails: [
        { modality: 'TEXT', tokenCount: 20 },
        { modality: 'AUDIO', tokenCount: 30 },
      ],
    });
    // 300 × 0.3 + 200 × 1 + 100 × 0.5 + 300 × 0.03 + 100 × 0.1 + 20 × 2.5 + 30 × 10
    expect(cost(usage, flash)).toBe('0.000709');
  });

  test('reasoning is output, unless it has its own price', () => {
    const usage = build.usage(0, 100, { reasoningTokens: 40 });
    expect(cost(usage, price({ input: 0, output: 1 }))).toBe('0.0001');
    expect(cost(usage, price({ input: 0, output: 1, reasoning: 3 }))).toBe('0.00018');
  });

  test('a long prompt and a tier of service have their own prices, for all tokens', () => {
    const pro = price({
      input: 1.25,
      cachedInput: 0.125,
      output: 10,
      variants: [
        { serviceTier: 'priority', price: { input: 2.5, output: 20 } },
        { aboveTokens: 200_000, price: { input: 4, cachedInput: 0.4, output: 15 } },
        { aboveTokens: 200_000, serviceTier: 'priority', price: { output: 30 } },
      ],
    });
    const at = (prompt: number) => build.usage(prompt, 1_000, { cachedTokens: 100_000 });
    expect(cost(at(200_000), pro)).toBe('0.1475');
    expect(cost(at(200_001), pro)).toBe('0.455004');
    expect(cost(at(200_000), pro, 'priority')).toBe('0.2825');
    expect(cost(at(200_001), pro, 'priority')).toBe('0.470004');
    expect(cost(at(200_000), pro, 'flex')).toBe('0.1475');
  });

  test('a request may cost something itself', () => {
    expect(cost(build.usage(10, 0), price({ input: 1, request: 0.005 }))).toBe('0.00501');
  });

  test('what is not known is not 0', () => {
    expect(cost(build.usage(10, 10), null)).toBeNull();
    expect(cost(build.usage(10, 10), price({ input: 1 }))).toBeNull();
    expect(cost(build.usage(10, 0), price({ input: 1 }))).toBe('0.00001');
    expect(cost(build.usage(10, 10), price({ output: 1 }))).toBeNull();
    expect(cost(build.usage(10, 10), 'free')).toBe('0');
  });

  test('what the provider charges wins over the price', () => {
    const used = (more: object) => decodeUsage({ prompt_tokens: 1, completion_tokens: 1, ...more });
    expect(cost(used({ cost: 0.25 }), sonnet)).toBe('0.25');
    expect(cost(used({ cost: 0 }), sonnet)).toBe('0');
    expect(cost(used({ cost: '1' }), sonnet)).toBe('0.000018');
    expect(cost(used({ cost: -1 }), sonnet)).toBe('0.000018');
    expect(cost(used({ cost_in_usd_ticks: 5_596_400 }), null)).toBe('0.00055964');
    const own = { cost: 0.01, is_byok: true, cost_details: { upstream_inference_cost: 0.2 } };
    expect(cost(used(own), null)).toBe('0.21');
    expect(cost(used({ ...own, is_byok: false }), null)).toBe('0.01');
  });

  test('no usage, however odd, counts a token twice or throws', () => {
    const count = fc.option(fc.nat(1_000), { nil: undefined });
    const odd = fc.record({
      prompt_tokens: fc.nat(1_000),
      completion_tokens: fc.nat(1_000),
      prompt_tokens_details: fc.record({
        cached_tokens: count,
        audio_tokens: count,
        image_tokens: count,
        cache_write_tokens: count,
      }),
      completion_tokens_details: fc.record({ reasoning_tokens: count, audio_tokens: count }),
      cache_creation: fc.jsonValue(),
      cacheDetails: fc.jsonValue(),
      cacheTokensDetails: fc.jsonValue(),
      cost: fc.jsonValue(),
    });
    const flat = price({ input: 1, output: 1, variants: [] });
    fc.assert(
      fc.property(odd, (json) => {
        const usage = decodeUsage(JSON.parse(JSON.stringify(json)))!;
        const { uncached, cacheRead, cacheWrite, output, ...parts } = splitTokens(usage, costMembers(usage));
        expect(uncached + cacheRead + cacheWrite).toBe(usage.promptTokens);
        expect(output).toBe(usage.completionTokens);
        expect(Math.min(uncached, cacheRead, cacheWrite, ...Object.values(parts))).toBeGreaterThanOrEqual(0);
        if (typeof json.cost !== 'number') {
          expect(cost(usage, flat)).toBe(
            formatUsd(BigInt(usage.promptTokens + usage.completionTokens) * 1_000_000n),
          );
        }
      }),
    );
  });
});

describe('a call', () => {
  test('costs what its answers cost together', () => {
    const report = build.callReport('', '');
    addCost(report, 100_000_000n, false);
    addCost(report, 1n, true);
    expect(report).toMatchObject({ costUsd: '0.000100000001', costEstimated: true, costIncomplete: false });
    addCost(report, null, false);
    expect(report).toMatchObject({ costUsd: '0.000100000001', costIncomplete: true });
  });

  test('of whose answers no price is known has no cost', () => {
    const report = build.callReport('', '');
    addCost(report, null, false);
    expect(report).toMatchObject({ costUsd: '', costIncomplete: true });
  });
});

const grok: Readonly<Record<string, Pricing>> = {
  'grok-code-fast-1': price({ input: 0.2, cachedInput: 0.02, output: 1.5 }),
  'grok-3-mini': price({ input: 0.3, cachedInput: 0.075, output: 0.5 }),
};
const charged = recordings().filter(
  ({ provider, endpoint, request }) =>
    provider === 'xai' && endpoint === 'chat' && grok[String(request.json?.['model'])] !== undefined,
);

test.skipIf(charged.length === 0)(
  'what xAI charged for recorded answers is the price of their tokens',
  () => {
    for (const { derived, request, title } of charged) {
      const { cost_in_usd_ticks: _ticks, ...usage } = derived.usage as Record<string, unknown>;
      const model = grok[String(request.json?.['model'])]!;
      const all = decodeUsage(derived.usage as never);
      expect(cost(decodeUsage(usage as never), model), title).toBe(cost(all, null));
    }
  },
);
