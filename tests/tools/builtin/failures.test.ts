import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { answer } from '../../support/services.ts';
import { type ServiceName, startToolBench, type ToolBench } from './support.ts';

let bench: ToolBench;
beforeEach(async () => {
  bench = await startToolBench({
    env: {
      LLM_GATEWAY_SEMANTIC_SEARCH_TIMEOUT_SECONDS: '1',
      LLM_GATEWAY_CODE_ORCHESTRATOR_TIMEOUT_SECONDS: '1.5',
      LLM_GATEWAY_CIRCUIT_BREAKER_FAILURE_THRESHOLD: '1',
    },
  });
});
afterEach(async () => {
  vi.useRealTimers();
  await bench.stop();
});

const chapter = { book: 'b', chapter: 1, title: 't', tier: 2 };
const corpus = { corpus: ['c'], chapter_index: [chapter] };

interface Row {
  readonly tool: string;
  readonly args: Record<string, unknown>;
  readonly service: ServiceName;
  readonly open: string;
  /** Null where it is fixed. */
  readonly timeout: string | null;
  /** With HTTP 500. */
  readonly error: string;
  readonly refused: string;
  readonly noJson: string;
}

/** Tools that fail by a text: documented words, then what happened. */
const row = (
  tool: string,
  args: Record<string, unknown>,
  service: ServiceName,
  words: { open: string; plain: string; service: string; seconds?: string; detail?: string },
): Row => ({
  tool,
  args,
  service,
  open: `${words.open} circuit open - failing fast`,
  timeout: `${words.plain} timeout after ${words.seconds ?? '1.0'} seconds`,
  error: `${words.plain} error: HTTP 500${words.detail ?? ''}`,
  refused: `${words.service} unavailable: connection refused`,
  noJson: `${words.service} unavailable: its answer is not JSON`,
});
const same = (words: string, detail = '') => ({ open: words, plain: words, service: words, detail });
const hybrid = { open: 'Hybrid search service', plain: 'Hybrid search', service: 'Hybrid search service' };
const orchestrator = (operation: string) => ({
  open: `Code-Orchestrator ${operation}`,
  plain: `Code-Orchestrator ${operation}`,
  service: `Code-Orchestrator ${operation} service`,
  seconds: '1.5',
});

const rows: readonly Row[] = [
  row('search_corpus', { query: 'q' }, 'semanticSearch', {
    ...same('Search service'),
    open: 'Semantic search service',
  }),
  row('get_chunk', { chunk_id: 'c' }, 'semanticSearch', same('Chunk service')),
  row('cross_reference', chapter, 'aiAgents', same('AI agents service', ' - it broke')),
  row('enrich_metadata', corpus, 'aiAgents', same('MSEP service', ' - it broke')),
  row('hybrid_search', { query: 'q' }, 'semanticSearch', hybrid),
  row('semantic_search', { query: 'q' }, 'semanticSearch', hybrid),
  row('similar_chapters', { chapter_id: 'c' }, 'semanticSearch', {
    open: 'Similar chapters service',
    plain: 'Similar chapters',
    service: 'Similar chapters service',
  }),
  {
    tool: 'embed',
    args: { texts: ['a'] },
    service: 'semanticSearch',
    open: 'Embed service unavailable: circuit open - failing fast',
    timeout: null,
    error: 'Embed service error (HTTP 500): it broke',
    refused: 'Embed service unavailable: connection refused',
    noJson: 'Embed service unavailable: its answer is not JSON',
  },
  row('compute_similarity', { text1: 'a', text2: 'b' }, 'codeOrchestrator', orchestrator('similarity')),
  row('extract_keywords', { corpus: ['a'] }, 'codeOrchestrator', orchestrator('keywords')),
  row('generate_embeddings', { texts: ['a'] }, 'codeOrchestrator', orchestrator('embeddings')),
  row('extract_terms', { query: 'q' }, 'codeOrchestrator', orchestrator('terms')),
];
const failed = (message: string) => ({ kind: 'error', message });
const broken = { detail: 'it broke' };

describe('a tool fails by a text', () => {
  test.each(rows)('$tool: an error of the service, then an open breaker', async (one) => {
    bench.services[one.service].instead = (_asked, response) => answer(response, 500, broken);
    expect(await bench.run(one.tool, one.args)).toEqual(failed(one.error));
    expect(await bench.run(one.tool, one.args)).toEqual(failed(one.open));
    expect(bench.services[one.service].asked.length).toBe(1);
  });

  test('no answer in time', async () => {
    for (const service of Object.values(bench.services)) service.instead = () => {};
    // At once, since they share breakers.
    const late = rows.filter(({ timeout }) => timeout !== null);
    const outcomes = await Promise.all(late.map(({ tool, args }) => bench.run(tool, args)));
    expect(outcomes).toEqual(late.map(({ timeout }) => failed(timeout as string)));
    expect(outcomes.length).toBe(rows.length - 1);
  });

  test('embed: no answer in half a minute', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    bench.services.semanticSearch.instead = () => {};
    const run = bench.run('embed', { texts: ['a'] });
    await bench.services.semanticSearch.next();
    vi.advanceTimersByTime(30_000);
    expect(await run).toEqual(failed('Embed service unavailable: timeout after 30.0 seconds'));
  });

  test.each(rows)('$tool: nobody there', async (one) => {
    bench.services[one.service].close();
    expect(await bench.run(one.tool, one.args)).toEqual(failed(one.refused));
  });

  test.each(rows)('$tool: an answer that is no JSON', async (one) => {
    for (const [status, text] of [
      [200, '<html>'],
      [200, ''],
      [204, ''],
    ] as const) {
      bench.services[one.service].instead = (_asked, response) => answer(response, status, text);
      expect(await bench.run(one.tool, one.args)).toEqual(failed(one.noJson));
    }
  });

  test('an answer that is too large', async () => {
    const small = await startToolBench({ env: { LLM_GATEWAY_SERVICE_MAX_ANSWER_BYTES: '1024' } });
    small.services.semanticSearch.instead = (_asked, response) =>
      answer(response, 200, `"${'x'.repeat(2_000)}"`);
    expect(await small.run('search_corpus', { query: 'q' })).toEqual(
      failed('Search service error: the answer is larger than 1024 bytes'),
    );
    await small.stop();
  });
});

describe('what a service says of an error', () => {
  const cross = async (status: number, body: unknown): Promise<unknown> => {
    bench.services.aiAgents.instead = (_asked, response) => answer(response, status, body);
    return bench.run('cross_reference', chapter);
  };

  test('is a part of the text', async () => {
    expect(await bench.run('cross_reference', { ...chapter, tier: 7 })).toEqual(
      failed('AI agents service error: HTTP 422 - body.source: Input is not valid'),
    );
    expect(await cross(400, { detail: { error: 'e', message: 'm' } })).toEqual(
      failed('AI agents service error: HTTP 400 - {"error":"e","message":"m"}'),
    );
    expect(await cross(404, 'plain\n  words')).toEqual(
      failed('AI agents service error: HTTP 404 - plain words'),
    );
    expect(await cross(404, '')).toEqual(failed('AI agents service error: HTTP 404'));
  });

  test('is bounded', async () => {
    expect(await cross(400, { detail: 'x'.repeat(5_000) })).toEqual(
      failed(`AI agents service error: HTTP 400 - ${'x'.repeat(500)}…`),
    );
  });
});

describe('what is the caller’s own mistake does not open a breaker', () => {
  test('a chunk that is not there', async () => {
    for (const id of ['gone 1', 'gone 2', 'gone 3']) {
      expect(await bench.run('get_chunk', { chunk_id: id })).toEqual(failed(`Chunk not found: ${id}`));
    }
    expect(await bench.run('get_chunk', { chunk_id: 'c-1' })).toMatchObject({ kind: 'result' });
  });

  test('a search that the service refuses', async () => {
    for (const _ of [1, 2]) {
      expect(await bench.run('hybrid_search', { query: 'q', limit: 1_000 })).toEqual(
        failed('Hybrid search error: HTTP 422'),
      );
    }
  });
});

test('tools share breakers as documented', async () => {
  const { semanticSearch } = bench.services;
  semanticSearch.instead = (_asked, response) => answer(response, 500, broken);
  const message = async (tool: string, args: Record<string, unknown>): Promise<string> => {
    const outcome = await bench.run(tool, args);
    return outcome.kind === 'error' ? outcome.message : 'no error';
  };
  await message('search_corpus', { query: 'q' });
  expect(await message('get_chunk', { chunk_id: 'c' })).toBe('Chunk service circuit open - failing fast');
  expect(await message('hybrid_search', { query: 'q' })).toBe('Hybrid search error: HTTP 500');
  expect(await message('semantic_search', { query: 'q' })).toBe(
    'Hybrid search service circuit open - failing fast',
  );
  expect(await message('embed', { texts: ['a'] })).toBe('Embed service error (HTTP 500): it broke');
  expect(await message('similar_chapters', { chapter_id: 'c' })).toBe('Similar chapters error: HTTP 500');
});
