import {
  isFilled,
  isFlag,
  isInteger,
  isList,
  isModel,
  isNumber,
  isObject,
  isOrNull,
  isText,
  list,
  type Model,
  ok,
  type PlatformService,
  type Routes,
  routed,
  start,
} from './platform-service.ts';

export { type Asked, answer, type PlatformService } from './platform-service.ts';

// The services of the platform as they are documented: real HTTP servers on loopback, with their paths, their validation and their errors.

const search: Model = {
  required: { query: (value) => isFilled(value) && (value as string).length <= 10_000 },
  optional: {
    collection: isText,
    limit: isInteger(1, 100),
    min_score: isNumber(0, 1),
    expand_abbreviations: isFlag,
  },
};
const tiers = isList(isInteger(1, 3));
const hybrid: Model = {
  required: {},
  optional: {
    query: isText,
    embedding: isList(isNumber(-Infinity, Infinity)),
    start_node_id: isText,
    collection: isText,
    limit: isInteger(1, 100),
    alpha: isNumber(0, 1),
    include_graph: isFlag,
    graph_context: isObject,
    tier_filter: tiers,
    tier_boost: isFlag,
    min_term_matches: isInteger(1, 10),
    focus_areas: isList(isText),
    focus_keywords: isList(isText),
  },
};
const chapters: Model = {
  required: { chapter_id: isFilled },
  optional: { tier_filter: tiers, limit: isInteger(1, 100) },
};
const embed: Model = {
  required: {
    text: (value) => isFilled(value) || (isList(isFilled)(value) && (value as unknown[]).length > 0),
  },
  optional: { model: isText },
};
const withTaxonomy = (model: Model): Model => ({
  ...model,
  optional: { ...model.optional, taxonomy: isText, expand_taxonomy: isFlag },
});

/** @param taxonomy it is a later one, which takes `taxonomy` and `expand_taxonomy` */
export function startSemanticSearch({ taxonomy = false } = {}): Promise<PlatformService> {
  const model = (plain: Model): Model => (taxonomy ? withTaxonomy(plain) : plain);
  const routes: Routes = {
    'POST /v1/search': [
      model(search),
      ({ query }) => ({
        results: [{ id: 'c-1', score: 0.9, payload: { text: 'Grüße' } }],
        total: 1,
        query,
        latency_ms: 1.5,
      }),
    ],
    'POST /v1/search/hybrid': [
      model(hybrid),
      ({ query, alpha }) => ({
        results: [{ id: 'c-2', score: 0.8, vector_score: 0.9, graph_score: 0.6, payload: {} }],
        total: 1,
        query,
        alpha,
        latency_ms: 2.5,
      }),
    ],
    'POST /v1/search/similar-chapters': [
      model(chapters),
      () => ({
        similar_chapters: [{ chapter_id: 'b-2', book: 'B', score: 0.7, tier: 1 }],
        total_unfiltered: 3,
      }),
    ],
    'POST /v1/embed': [
      embed,
      ({ text, model: name }) => ({
        embeddings: [text].flat().map(() => [0.25, -1e-7]),
        model: name,
        dimensions: 2,
        usage: null,
      }),
    ],
    'GET /health': [
      null,
      () => ({ status: 'healthy', services: { vector: 'healthy', graph: 'not_configured' }, version: '1' }),
    ],
  };
  const handle = routed(routes, list);
  return start((asked) => {
    const chunk = /^GET \/v1\/chunks\/([^/?#]+)$/.exec(`${asked.method} ${asked.path}`)?.[1];
    if (chunk === undefined) return handle(asked);
    const id = decodeURIComponent(chunk);
    if (id.startsWith('gone')) return { status: 404, body: { detail: `no chunk ${id}` } };
    return ok({ chunk_id: id, content: 'text', metadata: {} });
  });
}

const code: Model = { required: { code: isText }, optional: {}, open: true };
const reference: Model = {
  required: {
    source: isModel({
      required: { book: isText, chapter: isInteger(1, 10_000), title: isText, tier: isInteger(1, 3) },
      optional: {
        content: isOrNull(isText),
        keywords: isList(isText),
        concepts: isList(isText),
        summary: isText,
      },
    }),
  },
  optional: {
    config: isModel({
      required: {},
      optional: {
        max_hops: isInteger(1, 10),
        relationship_types: isList(isText),
        allow_cycles: isFlag,
        min_similarity: isNumber(0, 1),
        max_results_per_tier: isInteger(1, 100),
        include_tier1: isFlag,
        include_tier2: isFlag,
        include_tier3: isFlag,
      },
    }),
    taxonomy_id: isText,
  },
};
const enrichment: Model = {
  required: {
    corpus: (value) => isList(isText)(value) && (value as unknown[]).length > 0,
    chapter_index: isList(
      isModel({
        required: { book: isText, chapter: isInteger(1, 10_000), title: isText },
        optional: { summary: isText, id: isText },
      }),
    ),
  },
  optional: { config: isObject },
};

/** @param wrapped its agents for code put `{status, result}` around what they say */
export function startAiAgents({ wrapped = false } = {}): Promise<PlatformService> {
  const agent = (result: unknown): unknown =>
    wrapped ? { status: 'success', result, message: 'done' } : result;
  const routes: Routes = {
    'POST /v1/agents/code-review/run': [
      code,
      () => agent({ findings: [{ line: 1, severity: 'low', message: 'm' }], summary: 's', score: 91.0 }),
    ],
    'POST /v1/agents/architecture/run': [
      code,
      () => agent({ analysis: { patterns: ['p'], concerns: [], suggestions: [] }, summary: 's' }),
    ],
    'POST /v1/agents/doc-generate/run': [
      code,
      ({ format }) => agent({ documentation: '# d', format, sections: [{ title: 't', content: 'c' }] }),
    ],
    'POST /v1/agents/cross-reference': [
      reference,
      () => ({
        annotation: 'a',
        citations: [{ book: 'b', chapter: 1, chapter_title: 't', tier: 1 }],
        tier_coverage: [],
        processing_time_ms: 1,
        model_used: 'm',
      }),
    ],
    'POST /v1/agents/enrich-metadata': [
      enrichment,
      () => ({ chapters: [], processing_time_ms: 1, total_similar_chapters: 0 }),
    ],
    'GET /health': [
      null,
      () => ({ status: 'healthy', service: 'ai-agents', version: '1', dependencies: [] }),
    ],
  };
  return start(
    routed(routes, (found, path) => ({
      error: 'ValidationError',
      detail: found.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; '),
      code: 'VALIDATION_ERROR',
      path,
    })),
  );
}

const texts: Model = {
  required: { texts: isList(isFilled) },
};
const terms: Model = {
  required: { query: isFilled },
  optional: {
    domain: isText,
    options: isModel({
      required: {},
      optional: { min_confidence: isNumber(0, 1), max_terms: isInteger(1, 50) },
    }),
  },
};

export const startCodeOrchestrator = (): Promise<PlatformService> =>
  start(
    routed(
      {
        'POST /v1/similarity': [
          { required: { text1: isFilled, text2: isFilled } },
          () => ({ score: 0.5, model: 'm', processing_time_ms: 1 }),
        ],
        'POST /api/v1/keywords': [
          { required: { corpus: isList(isText) }, optional: { top_k: isInteger(0, 100) } },
          () => ({ keywords: [['k']], processing_time_ms: 1 }),
        ],
        'POST /v1/embeddings': [texts, () => ({ embeddings: [[1, 0]], model: 'm', processing_time_ms: 1 })],
        'POST /v1/extract': [
          terms,
          () => ({
            search_terms: [{ term: 't', score: 0.9, models_agreed: 2 }],
            metadata: { processing_time_ms: 1, stages_completed: ['generate'], total_terms_processed: 1 },
          }),
        ],
        'GET /health': [null, () => ({ status: 'healthy', version: '1', service: 'code-orchestrator' })],
      },
      list,
    ),
  );

/** What of it is not chat. */
export const startInference = (): Promise<PlatformService> =>
  start(
    routed(
      {
        'GET /health': [null, () => ({ status: 'ok', service: 'inference-service', version: '1' })],
        'GET /v1/models': [
          null,
          () => ({
            data: [{ id: 'phi-4', status: 'loaded', memory_mb: 1, context_length: 16_384, roles: [] }],
            config: null,
            orchestration_mode: 'single',
          }),
        ],
      },
      list,
    ),
  );

const prompt = { text: isText, model: isText };

export const startCms = (): Promise<PlatformService> =>
  start(
    routed(
      {
        'GET /health': [null, () => ({ status: 'ok' })],
        'POST /v1/context/process': [
          { required: prompt, open: true },
          ({ text }) => ({
            optimized_text: text,
            original_tokens: 2,
            optimized_tokens: 2,
            compression_ratio: 1,
            strategies_applied: [],
          }),
        ],
        'POST /v1/context/validate': [
          { required: prompt },
          () => ({ token_count: 2, context_limit: 8_192, utilization: 0.0002 }),
        ],
        'POST /v1/context/chunk': [
          { required: prompt, optional: { overlap_ratio: isNumber(0, 1) } },
          ({ text }) => ({
            chunks: [{ chunk_id: '1', sequence: 0, content: text, token_count: 2 }],
            total_chunks: 1,
          }),
        ],
      },
      list,
    ),
  );
