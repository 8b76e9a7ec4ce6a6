import type { ToolPaths } from '../../config/tool-paths.ts';
import type { Service, ServiceError } from '../../integrations/service.ts';
import type { Tool, ToolOutcome } from '../tool.ts';
import { called, detailOf, failureText, type Wording } from './failure-text.ts';
import { type Arguments, failedWith, serviceTool } from './service-tool.ts';

/** What the tools of semantic-search are made of. */
export interface SearchOptions {
  readonly service: Service;
  readonly paths: ToolPaths;
  /** The service takes `taxonomy`. Where it does not, it refuses a search that has one. */
  readonly taxonomyEnabled: boolean;
}

const integers = (description: string) => ({ type: 'array', items: { type: 'integer' }, description });
const strings = (description: string) => ({ type: 'array', items: { type: 'string' }, description });
const query = { type: 'string', description: 'What to look for.' };
const collection = { type: 'string', description: 'Collection to search in.', default: 'documents' };

const taxonomyArgument = ({ taxonomyEnabled }: SearchOptions) => ({
  type: 'string',
  description: taxonomyEnabled
    ? 'Taxonomy to search by.'
    : 'Taxonomy to search by. Without effect: the search service of this gateway knows none.',
});

/** Fails in the words of a service. */
const inWords =
  (wording: Wording) =>
  (error: ServiceError, _args: Arguments, timeoutMs: number): ToolOutcome =>
    failedWith(failureText(wording, error, timeoutMs));

/** Member `taxonomy` of a question. */
const taxonomyOf = ({ taxonomy }: Arguments, { taxonomyEnabled }: SearchOptions) => ({
  taxonomy: taxonomyEnabled ? taxonomy : undefined,
});

export const searchCorpus = (options: SearchOptions): Tool =>
  serviceTool({
    name: 'search_corpus',
    description: 'Searches the text corpus for passages that are near in meaning to a query.',
    parameters: {
      properties: {
        query,
        top_k: { type: 'integer', description: 'Most results, 1 to 100.', default: 10 },
        collection,
        taxonomy: taxonomyArgument(options),
      },
      required: ['query'],
    },
    service: options.service,
    breaker: 'semantic-search-service',
    ask: (args) => ({
      method: 'POST',
      path: options.paths.search_corpus,
      body: {
        query: args['query'],
        limit: args['top_k'] ?? 10,
        collection: args['collection'] ?? 'documents',
        ...taxonomyOf(args, options),
      },
    }),
    failed: inWords({ ...called('Search service'), open: 'Semantic search service' }),
  });

/** Longer ids are not asked for: they would not fit into the head of a request. In characters. */
const maxChunkId = 1_024;

export const getChunk = ({ service, paths }: SearchOptions): Tool =>
  serviceTool({
    name: 'get_chunk',
    description: 'Gets one chunk of the corpus by its id.',
    parameters: {
      properties: { chunk_id: { type: 'string', description: 'Id of the chunk, as a search gives it.' } },
      required: ['chunk_id'],
    },
    service,
    breaker: 'semantic-search-service',
    ask({ chunk_id: given }) {
      const id = String(given).toWellFormed();
      if (id === '') return noChunk('empty');
      // A server takes dots for steps in the path, encoded or not.
      if (id.length > maxChunkId || id === '.' || id === '..') return noChunk(id);
      return { method: 'GET', path: paths.get_chunk.replace('{chunk_id}', () => encodeURIComponent(id)) };
    },
    failed: (error, { chunk_id: id }, timeoutMs) =>
      error.status === 404
        ? noChunk(String(id))
        : failedWith(failureText(called('Chunk service'), error, timeoutMs)),
  });

const noChunk = (id: string): ToolOutcome => {
  const shown = id.length > maxChunkId ? `${id.slice(0, 64)}…`.toWellFormed() : id;
  return failedWith(`Chunk not found: ${shown}`);
};

const hybridWording: Wording = {
  open: 'Hybrid search service',
  timeout: 'Hybrid search',
  error: 'Hybrid search',
  unavailable: 'Hybrid search service',
};

/** Both names mean the same search; each has a path of its own in the configuration. */
const hybrid = (
  name: 'hybrid_search' | 'semantic_search',
  description: string,
  options: SearchOptions,
): Tool =>
  serviceTool({
    name,
    description,
    parameters: {
      properties: {
        query,
        limit: { type: 'integer', description: 'Most results, 1 to 100.', default: 10 },
        alpha: {
          type: 'number',
          description: 'Weight of the meaning against the graph, 0 to 1.',
          default: 0.7,
        },
        collection,
        include_graph: { type: 'boolean', description: 'Whether the graph has a say.', default: true },
        tier_filter: integers('Only these tiers: 1, 2, 3.'),
        focus_areas: strings('Areas whose results come first.'),
        bloom_tier_filter: integers("Only these levels of Bloom's taxonomy, 0 to 6."),
        quality_tier_filter: integers('Only these tiers of quality: 1, 2, 3.'),
        bloom_tier_boost: {
          type: 'boolean',
          description: 'Whether results of better tiers come first.',
          default: true,
        },
        expand_taxonomy: {
          type: 'boolean',
          description: 'Whether the query is expanded with related terms.',
          default: false,
        },
        taxonomy: taxonomyArgument(options),
      },
      required: ['query'],
    },
    service: options.service,
    breaker: 'semantic-search-hybrid',
    ask: (args) => ({ method: 'POST', path: options.paths[name], body: hybridBody(args, options) }),
    failed: inWords(hybridWording),
  });

function hybridBody(args: Arguments, options: SearchOptions): object {
  const { expand_taxonomy: expand = false } = args;
  return {
    query: args['query'],
    limit: args['limit'] ?? 10,
    alpha: args['alpha'] ?? 0.7,
    collection: args['collection'] ?? 'documents',
    include_graph: args['include_graph'] ?? true,
    tier_filter: args['tier_filter'],
    focus_areas: args['focus_areas'],
    bloom_tier_filter: args['bloom_tier_filter'],
    quality_tier_filter: args['quality_tier_filter'],
    tier_boost: args['bloom_tier_boost'] ?? true,
    // A service that knows no taxonomies does not know this either, and refuses what it does not know.
    expand_taxonomy: options.taxonomyEnabled || expand === true ? expand : undefined,
    ...taxonomyOf(args, options),
  };
}

export const hybridSearch = (options: SearchOptions): Tool =>
  hybrid(
    'hybrid_search',
    'Searches the corpus by meaning and by the graph of its chapters together.',
    options,
  );

export const semanticSearch = (options: SearchOptions): Tool =>
  hybrid(
    'semantic_search',
    'Searches the corpus for what is near in meaning to a query. Takes the same arguments as hybrid_search.',
    options,
  );

export const similarChapters = (options: SearchOptions): Tool =>
  serviceTool({
    name: 'similar_chapters',
    description: 'Finds the chapters of the corpus that are most similar to one of its chapters.',
    parameters: {
      properties: {
        chapter_id: { type: 'string', description: 'Id of the chapter.' },
        taxonomy: taxonomyArgument(options),
        tier_filter: integers('Only these tiers: 1, 2, 3.'),
        limit: { type: 'integer', description: 'Most results.', default: 10 },
      },
      required: ['chapter_id'],
    },
    service: options.service,
    breaker: 'semantic-search-similar-chapters',
    ask: (args) => ({
      method: 'POST',
      path: options.paths.similar_chapters,
      body: {
        chapter_id: args['chapter_id'],
        ...taxonomyOf(args, options),
        tier_filter: args['tier_filter'],
        limit: args['limit'] ?? 10,
      },
    }),
    failed: inWords({
      open: 'Similar chapters service',
      timeout: 'Similar chapters',
      error: 'Similar chapters',
      unavailable: 'Similar chapters service',
    }),
  });

/** In milliseconds. */
const embedTimeoutMs = 30_000;

export const embed = ({ service, paths }: SearchOptions): Tool =>
  serviceTool({
    name: 'embed',
    description: 'Makes embedding vectors of texts with the model of the search service.',
    parameters: {
      properties: {
        texts: strings('Texts to embed.'),
        model: { type: 'string', description: 'Model to embed with.', default: 'all-MiniLM-L6-v2' },
      },
      required: ['texts'],
    },
    service,
    breaker: 'semantic-search-embed',
    timeoutMs: embedTimeoutMs,
    ask: (args) => ({
      method: 'POST',
      path: paths.embed,
      body: { text: args['texts'], model: args['model'] ?? 'all-MiniLM-L6-v2' },
    }),
    failed: (error, _args, timeoutMs) => failedWith(embedFailure(error, timeoutMs)),
  });

function embedFailure(error: ServiceError, timeoutMs: number): string {
  if (error.kind === 'status') {
    return `Embed service error (HTTP ${error.status}): ${detailOf(error.body) || 'no details'}`;
  }
  const wording = {
    ...called('Embed service'),
    open: 'Embed service unavailable:',
    timeout: 'Embed service unavailable:',
  };
  return failureText(wording, error, timeoutMs);
}
