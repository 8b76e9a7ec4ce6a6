import { describe, expect, test } from 'vitest';
import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { decodeGeminiResponse } from '../../../src/codec/gemini/decode-response.ts';
import { geminiDialect, vertexDialect } from '../../../src/codec/gemini/dialect.ts';
import { decodeEmbeddings, encodeEmbeddings } from '../../../src/codec/gemini/embeddings.ts';
import { encodeGeminiRequest } from '../../../src/codec/gemini/encode-request.ts';
import { isObject } from '../../../src/codec/json.ts';
import { decodeModelPage } from '../../../src/providers/google/model-list.ts';
import { everyCut } from '../../http/support/cuts.ts';
import { decodeGeminiRequest } from './support/decode-request.ts';
import { type Answer, assemble, callsOf, decodePieces, textOf, thinkingOf } from './support/events.ts';
import { type GeminiExchange, recordedGemini } from './support/recordings.ts';

const all = recordedGemini();
const chats = all.filter(({ endpoint }) => endpoint === 'generateContent');
const named = (exchanges: readonly GeminiExchange[]) =>
  exchanges.map((exchange) => [exchange.title, exchange] as const);

const expectedFinish = ({ derived }: GeminiExchange): string =>
  (derived.tool_calls ?? []).length > 0 ? 'TOOL_CALLS' : { STOP: 'STOP' }[derived.finish as 'STOP'];

function check({ parts, finish, usage }: Answer, exchange: GeminiExchange): void {
  const { derived } = exchange;
  expect(textOf(parts)).toBe(derived.text ?? '');
  expect(thinkingOf(parts)).toBe(derived.thinking ?? '');
  const calls = callsOf(parts);
  expect(calls.map((call) => ({ name: call.name, args: JSON.parse(call.arguments) }))).toEqual(
    (derived.tool_calls ?? []).map(({ name, args }) => ({ name, args })),
  );
  expect(calls.map(({ id }) => id)).toEqual(calls.map(({ id }, i) => derived.tool_calls?.[i]?.id ?? id));
  expect(new Set(calls.map(({ id }) => id)).size).toBe(calls.length);
  for (const { id } of calls) expect(id).not.toBe('');
  expect(finish).toBe(expectedFinish(exchange));
  const told = derived.usage ?? {};
  const thoughts = told['thoughtsTokenCount'];
  const prompt = (told['promptTokenCount'] ?? 0) + (told['toolUsePromptTokenCount'] ?? 0);
  const completion = (told['candidatesTokenCount'] ?? 0) + (thoughts ?? 0);
  expect(usage).toMatchObject({
    promptTokens: prompt,
    completionTokens: completion,
    totalTokens: prompt + completion,
    ...(thoughts === undefined ? {} : { reasoningTokens: thoughts }),
  });
  // Gemini's own sum, where it gives one, is of the same parts.
  if (told['totalTokenCount'] !== undefined) expect(usage?.totalTokens).toBe(told['totalTokenCount']);
}

/** The signatures in a body, in order. */
const signaturesIn = (text: string): string[] =>
  [...text.matchAll(/"thoughtSignature":\s*"([^"]*)"/g)].map(([, signature]) => signature as string);
const signaturesOf = ({ parts }: Answer): string[] =>
  parts.flatMap(({ content }) =>
    (content.case === 'toolCall' || content.case === 'reasoning') && content.value.signature !== ''
      ? [content.value.signature]
      : [],
  );

describe.skipIf(all.length === 0)('recorded answers', () => {
  test('are there in every form', () => {
    expect(chats.filter(({ sse }) => sse).length).toBeGreaterThan(5);
    expect(chats.filter(({ sse }) => !sse).length).toBeGreaterThan(5);
    expect(chats.some(({ vertex }) => vertex)).toBe(true);
  });

  test.each(named(chats.filter(({ sse }) => sse)))('%s, cut at every byte', (_title, exchange) => {
    const whole = assemble(decodePieces([Buffer.from(exchange.response.text)]));
    check(whole, exchange);
    expect(signaturesOf(whole)).toEqual(signaturesIn(exchange.response.text));
    for (const pieces of everyCut(Buffer.from(exchange.response.text))) {
      expect(assemble(decodePieces(pieces))).toEqual(whole);
    }
  });

  test.each(named(chats.filter(({ sse }) => sse)))(
    '%s, broken off, is never complete',
    (_title, exchange) => {
      const bytes = Buffer.from(exchange.response.text);
      const end = exchange.response.text.lastIndexOf('\r\n\r\ndata: ');
      const last = end < 0 ? 0 : Buffer.byteLength(exchange.response.text.slice(0, end)) + 4;
      for (const at of [0, last, last + 10, bytes.length - 10]) {
        expect(() => decodePieces([bytes.subarray(0, at)])).toThrow(
          /ended before the answer|cannot be understood/,
        );
      }
    },
  );

  test.each(named(chats.filter(({ sse }) => !sse)))('%s', (_title, exchange) => {
    const { choices, usage } = decodeGeminiResponse(JSON.parse(exchange.response.text), {
      provider: 'google',
    });
    const [choice] = choices;
    const answer = {
      parts: choice?.message?.parts ?? [],
      finish: FinishReason[choice?.finishReason ?? 0] as string,
      native: choice?.nativeFinishReason ?? '',
      usage,
    };
    check(answer, exchange);
    expect(signaturesOf(answer)).toEqual(signaturesIn(exchange.response.text));
  });

  test.each(named(chats.filter(({ sse }) => !sse)))(
    '%s goes back with every part where it was',
    (_title, exchange) => {
      const recorded = JSON.parse(exchange.response.text);
      const { choices } = decodeGeminiResponse(recorded, { provider: 'google' });
      const request = decodeGeminiRequest(exchange.model, { contents: [] });
      request.messages = choices.flatMap(({ message }) => (message === undefined ? [] : [message]));
      const { body } = encodeGeminiRequest(request, { model: exchange.model, dialect: geminiDialect });
      const [sent] = JSON.parse(body).contents;
      // Thoughts are not sent back, and ids that were missing are there.
      const parts = recorded.candidates[0].content.parts.filter(
        (part: { thought?: boolean }) => part.thought !== true,
      );
      for (const part of sent.parts) if (isObject(part.functionCall)) delete part.functionCall['id'];
      for (const part of parts) if (isObject(part.functionCall)) delete part.functionCall['id'];
      expect(sent.parts).toEqual(parts);
    },
  );
});

describe.skipIf(all.length === 0)('recorded requests', () => {
  /** What says nothing, and is not sent. */
  function adjusted({ generationConfig, ...rest }: Record<string, unknown>): Record<string, unknown> {
    return isObject(generationConfig) && Object.keys(generationConfig).length === 0
      ? rest
      : { generationConfig, ...rest };
  }
  const without = (json: Record<string, unknown>) => JSON.parse(JSON.stringify(adjusted(json)));

  test.each(named(chats))('encode(decode(json)) equals json: %s', (_title, { request, model, vertex }) => {
    const recorded = request as Record<string, unknown>;
    const dialect = vertex ? vertexDialect : geminiDialect;
    const decoded = decodeGeminiRequest(model, structuredClone(recorded));
    const { body, warnings } = encodeGeminiRequest(decoded, { model, dialect });
    expect(warnings).toEqual([]);
    expect(JSON.parse(body)).toEqual(without(recorded));
    expect(encodeGeminiRequest(decoded, { model, dialect }).body).toBe(body);
  });
});

describe.skipIf(all.length === 0)('recorded embeddings and model lists', () => {
  test.each(named(all.filter(({ endpoint }) => endpoint === 'embed')))(
    '%s',
    (_title, { request, model, response, derived }) => {
      const { requests } = request as {
        requests: { content: { parts: { text: string }[] }; outputDimensionality: number }[];
      };
      const { bodies, warnings } = encodeEmbeddings(
        {
          $typeName: 'llmgateway.v1.CreateEmbeddingsRequest',
          model,
          inputs: requests.map(({ content }) => ({
            $typeName: 'llmgateway.v1.EmbeddingInput',
            content: { case: 'text', value: content.parts[0]?.text ?? '' },
          })),
          dimensions: requests[0]?.outputDimensionality ?? 0,
          taskType: '',
          user: '',
        },
        `models/${model}`,
      );
      expect(warnings).toEqual([]);
      expect(bodies.map((body) => JSON.parse(body))).toEqual([request]);
      const decoded = decodeEmbeddings([JSON.parse(response.text)], model, requests.length, {
        provider: 'google',
      });
      expect(decoded.embeddings.map(({ values }) => values.length)).toEqual(
        Array.from({ length: derived.vectors ?? 0 }, () => derived.dims),
      );
      expect(decoded.embeddings[0]?.values).toEqual(JSON.parse(response.text).embeddings[0].values);
    },
  );

  test.each(named(all.filter(({ endpoint }) => endpoint === 'models')))('%s', (_title, { response }) => {
    const { models } = JSON.parse(response.text) as { models: { name: string; inputTokenLimit: number }[] };
    const page = decodeModelPage(JSON.parse(response.text));
    expect(page.models.map(({ id }) => `models/${id}`)).toEqual(models.map(({ name }) => name));
    expect(page.models.map(({ contextWindow }) => contextWindow)).toEqual(
      models.map(({ inputTokenLimit }) => (inputTokenLimit > 0 ? inputTokenLimit : undefined)),
    );
  });
});
