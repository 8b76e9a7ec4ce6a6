import { Ajv } from 'ajv';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ToolSource } from '../../../gen/llmgateway/v1/tool_service_pb.js';
import { builtInNames } from '../../support/tools.ts';
import { startToolBench, type ToolBench } from './support.ts';

let bench: ToolBench;
beforeAll(async () => {
  bench = await startToolBench();
});
afterAll(() => bench.stop());

describe('the list', () => {
  test('has all tools in their order', () => {
    expect(bench.tools.map(({ name }) => name)).toEqual(builtInNames);
  });

  test('says what each tool is, in a form that every provider takes', () => {
    for (const { name, description, parametersJson, source } of bench.tools) {
      expect(name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
      expect(description.length).toBeGreaterThan(20);
      expect(source).toBe(ToolSource.BUILT_IN);
      const schema = JSON.parse(parametersJson);
      expect(() => new Ajv({ strict: true }).compile(schema)).not.toThrow();
      expect(schema.type).toBe('object');
      for (const required of schema.required) expect(schema.properties).toHaveProperty(required);
    }
  });

  test('names the required arguments', () => {
    const required = bench.tools.map((tool) => [tool.name, JSON.parse(tool.parametersJson).required]);
    expect(Object.fromEntries(required)).toEqual({
      echo: ['message'],
      calculator: ['a', 'b'],
      search_corpus: ['query'],
      get_chunk: ['chunk_id'],
      review_code: ['code'],
      analyze_architecture: ['code'],
      generate_documentation: ['code'],
      cross_reference: ['book', 'chapter', 'title', 'tier'],
      enrich_metadata: ['corpus', 'chapter_index'],
      hybrid_search: ['query'],
      embed: ['texts'],
      compute_similarity: ['text1', 'text2'],
      extract_keywords: ['corpus'],
      generate_embeddings: ['texts'],
      semantic_search: ['query'],
      similar_chapters: ['chapter_id'],
      extract_terms: ['query'],
    });
  });

  test('checks types and no more: what is out of range is the service’s to refuse', () => {
    for (const { parametersJson } of bench.tools) {
      expect(parametersJson).not.toMatch(
        /"(?:enum|const|minimum|maximum|minItems|minLength|pattern|additionalProperties)":/,
      );
    }
  });

  test('lets a service say that it is late before the tool is cut off', () => {
    const limits = Object.fromEntries(bench.tools.map(({ name, timeoutMs }) => [name, timeoutMs]));
    expect(limits).toMatchObject({ search_corpus: 31_000, review_code: 61_000, embed: 31_000 });
    expect(limits['echo']).toBeUndefined();
  });
});

describe('echo', () => {
  test.each(['hello', '', '"\u2028\n', 'Grüße 👋'])('says %j', async (message) => {
    const outcome = await bench.run('echo', { message });
    expect(outcome).toEqual({ kind: 'result', json: JSON.stringify({ echoed: message }) });
  });
});

describe('calculator', () => {
  test.each([
    [
      { a: 2, b: 3 },
      { result: 5, operation: 'add', a: 2, b: 3 },
    ],
    [
      { a: 2, b: 3, operation: 'add' },
      { result: 5, operation: 'add', a: 2, b: 3 },
    ],
    [
      { a: 2, b: 3, operation: 'subtract' },
      { result: -1, operation: 'subtract', a: 2, b: 3 },
    ],
    [
      { a: 2.5, b: 4, operation: 'multiply' },
      { result: 10, operation: 'multiply', a: 2.5, b: 4 },
    ],
    [
      { a: 1, b: 8, operation: 'divide' },
      { result: 0.125, operation: 'divide', a: 1, b: 8 },
    ],
    [
      { a: 0, b: 0, operation: 'multiply' },
      { result: 0, operation: 'multiply', a: 0, b: 0 },
    ],
  ])('%j', async (args, result) => {
    expect(await bench.run('calculator', args)).toEqual({ kind: 'result', json: JSON.stringify(result) });
  });

  test.each([
    [{ a: 1, b: 2, operation: 'power' }, 'Unknown operation: power'],
    [{ a: 1, b: 2, operation: '' }, 'Unknown operation: '],
    [{ a: 1, b: 2, operation: 'constructor' }, 'Unknown operation: constructor'],
    [{ a: 1, b: 0, operation: 'divide' }, 'Division by zero'],
    [{ a: 0, b: -0, operation: 'divide' }, 'Division by zero'],
    [{ a: 1e308, b: 10, operation: 'multiply' }, 'Result out of range'],
  ])('%j fails', async (args, message) => {
    expect(await bench.run('calculator', args)).toEqual({ kind: 'error', message });
  });
});
