import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { toolPaths } from '../../../src/config/tool-paths.ts';
import { answer } from '../../support/services.ts';
import { requests } from './cases.ts';
import { type ServiceName, startToolBench, type ToolBench } from './support.ts';

let bench: ToolBench;
beforeAll(async () => {
  bench = await startToolBench();
});
afterAll(() => bench.stop());
beforeEach(() => {
  for (const service of Object.values(bench.services)) {
    service.instead = null;
    service.asked.length = 0;
  }
});

describe('a request with defaults', () => {
  test.each(requests)('of %s', async (tool, args, service, request, body) => {
    const outcome = await bench.run(tool, args);
    const { asked } = bench.services[service];
    expect(asked.map((one) => [`${one.method} ${one.path}`, one.body])).toEqual([[request, body]]);
    // The services refuse what they do not know.
    expect(outcome).toMatchObject({ kind: 'result' });
  });

  test('is there for every tool that asks a service', () => {
    expect(requests.map(([tool]) => tool)).toEqual(Object.keys(toolPaths));
  });
});

describe('a request with all arguments', () => {
  const body = (service: ServiceName): unknown => bench.services[service].asked.at(-1)?.body;

  test('of search_corpus', async () => {
    await bench.run('search_corpus', { query: 'q', top_k: 3, collection: 'all' });
    expect(body('semanticSearch')).toEqual({ query: 'q', limit: 3, collection: 'all' });
  });

  test.each(['hybrid_search', 'semantic_search'])('of %s', async (name) => {
    const args = {
      query: 'q',
      limit: 5,
      alpha: 0,
      collection: 'chapters',
      include_graph: false,
      tier_filter: [1, 2],
      focus_areas: ['security'],
    };
    const outcome = await bench.run(name, { ...args, bloom_tier_boost: false });
    expect(outcome.kind).toBe('result');
    expect(body('semanticSearch')).toEqual({ ...args, tier_boost: false });
    // Later services take these.
    const later = { bloom_tier_filter: [0, 6], quality_tier_filter: [1], expand_taxonomy: true };
    await bench.run(name, { ...args, ...later });
    expect(body('semanticSearch')).toEqual({ ...args, ...later, tier_boost: true });
  });

  test('of code agents', async () => {
    await bench.run('review_code', { code: 'x', language: 'go' });
    expect(body('aiAgents')).toEqual({ code: 'x', language: 'go' });
    await bench.run('analyze_architecture', { code: 'x', context: 'c' });
    expect(body('aiAgents')).toEqual({ code: 'x', context: 'c' });
    await bench.run('generate_documentation', { code: 'x', format: 'rst' });
    expect(body('aiAgents')).toEqual({ code: 'x', format: 'rst' });
  });

  test('of cross_reference', async () => {
    const source = {
      book: 'b',
      chapter: 1,
      title: 't',
      tier: 2,
      content: 'c',
      keywords: ['k'],
      concepts: ['o'],
    };
    const config = {
      max_hops: 1,
      min_similarity: 0,
      include_tier1: false,
      include_tier2: false,
      include_tier3: false,
    };
    const outcome = await bench.run('cross_reference', { ...source, ...config, taxonomy_id: 'x' });
    expect(outcome.kind).toBe('result');
    expect(body('aiAgents')).toEqual({ source, config, taxonomy_id: 'x' });
  });

  test('of enrich_metadata', async () => {
    const args = {
      corpus: ['c'],
      chapter_index: [{ book: 'b', chapter: 1, title: 't', id: 'i' }],
      config: { threshold: 0.4, top_k: 3 },
    };
    await bench.run('enrich_metadata', args);
    expect(body('aiAgents')).toEqual(args);
  });

  test('of the others', async () => {
    await bench.run('embed', { texts: ['a'], model: 'm' });
    expect(body('semanticSearch')).toEqual({ text: ['a'], model: 'm' });
    await bench.run('similar_chapters', { chapter_id: 'i', tier_filter: [1], limit: 2 });
    expect(body('semanticSearch')).toEqual({ chapter_id: 'i', tier_filter: [1], limit: 2 });
    await bench.run('extract_keywords', { corpus: ['a'], top_k: 0 });
    expect(body('codeOrchestrator')).toEqual({ corpus: ['a'], top_k: 0 });
    await bench.run('extract_terms', { query: 'q', domain: 'd', max_terms: 50, min_confidence: 0 });
    expect(body('codeOrchestrator')).toEqual({
      query: 'q',
      domain: 'd',
      options: { min_confidence: 0, max_terms: 50 },
    });
  });
});

describe('every request', () => {
  const trace = {
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: 'a=b',
  };

  test.each(requests)('of %s has the id and the trace of the call', async (tool, args, service) => {
    await bench.run(tool, args, { requestId: 'req_2', trace });
    expect(bench.services[service].asked[0]?.headers).toMatchObject({ 'x-request-id': 'req_2', ...trace });
  });

  test.each(requests)('of %s: its answer is the result, byte for byte', async (tool, args, service) => {
    const json = '{ "a":1.0, "ü": "\\u00fc", "n": 12345678901234567890,\n "status": "x" }';
    bench.services[service].instead = (_asked, response) => answer(response, 200, json);
    expect(await bench.run(tool, args)).toEqual({ kind: 'result', json });
  });

  test.each(requests)('of %s ends when the client leaves', async (tool, args, service) => {
    const closed = new Promise<void>((resolve) => {
      bench.services[service].instead = (_asked, response) => response.once('close', resolve);
    });
    const stop = new AbortController();
    const run = bench.run(tool, args, { signal: stop.signal });
    await bench.services[service].next();
    stop.abort(new Error('left'));
    await expect(run).rejects.toBe(stop.signal.reason);
    await closed;
  });
});

describe('the id of a chunk', () => {
  test.each([
    ['a/b', 'a%2Fb'],
    ['../../admin', '..%2F..%2Fadmin'],
    ['x?y#z', 'x%3Fy%23z'],
    ['100 %', '100%20%25'],
    ['Grüße', 'Gr%C3%BC%C3%9Fe'],
    ['$&', '%24%26'],
    ['\ud800', '%EF%BF%BD'],
  ])('%s is one segment of the path', async (id, segment) => {
    await bench.run('get_chunk', { chunk_id: id });
    expect(bench.services.semanticSearch.asked.map(({ path }) => path)).toEqual([`/v1/chunks/${segment}`]);
  });

  test.each([
    ['', 'empty'],
    ['.', '.'],
    ['..', '..'],
    ['x'.repeat(1_025), `${'x'.repeat(64)}…`],
  ])('%s is not asked for', async (id, shown) => {
    expect(await bench.run('get_chunk', { chunk_id: id })).toEqual({
      kind: 'error',
      message: `Chunk not found: ${shown}`,
    });
    expect(bench.services.semanticSearch.asked).toEqual([]);
  });
});

describe('a search service that takes taxonomies', () => {
  let later: ToolBench;
  beforeAll(async () => {
    later = await startToolBench({ taxonomyEnabled: true });
  });
  afterAll(() => later.stop());

  const searches = [
    ['search_corpus', { query: 'q' }],
    ['hybrid_search', { query: 'q' }],
    ['semantic_search', { query: 'q' }],
    ['similar_chapters', { chapter_id: 'c' }],
  ] as const;

  test.each(searches)('is sent them by %s', async (tool, args) => {
    expect(await later.run(tool, { ...args, taxonomy: 'ai-ml' })).toMatchObject({ kind: 'result' });
    expect(later.services.semanticSearch.asked.at(-1)?.body).toMatchObject({ taxonomy: 'ai-ml' });
    await later.run(tool, args);
    expect(later.services.semanticSearch.asked.at(-1)?.body).not.toHaveProperty('taxonomy');
  });

  test.each(searches)('is not there: %s sends none, for it would be refused', async (tool, args) => {
    expect(await bench.run(tool, { ...args, taxonomy: 'ai-ml' })).toMatchObject({ kind: 'result' });
    expect(bench.services.semanticSearch.asked.at(-1)?.body).not.toHaveProperty('taxonomy');
  });

  test('is told whether to expand', async () => {
    await later.run('hybrid_search', { query: 'q' });
    expect(later.services.semanticSearch.asked.at(-1)?.body).toMatchObject({
      tier_boost: true,
      expand_taxonomy: false,
    });
  });
});

test('paths are those of the configuration', async () => {
  const paths = { ...toolPaths, get_chunk: '/chunk/{chunk_id}/text', semantic_search: '/v2/search' };
  const moved = await startToolBench({ paths });
  await moved.run('get_chunk', { chunk_id: 'a b' });
  await moved.run('semantic_search', { query: 'q' });
  await moved.run('hybrid_search', { query: 'q' });
  expect(moved.services.semanticSearch.asked.map(({ path }) => path)).toEqual([
    '/chunk/a%20b/text',
    '/v2/search',
    '/v1/search/hybrid',
  ]);
  await moved.stop();
});
