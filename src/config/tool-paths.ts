import { readFields } from './fields.ts';
import type { Problems } from './problems.ts';
import { type ValueReader, Wrong } from './values.ts';

/**
 * Where each built-in tool asks its service, below the service's address: the paths that the services really have. What stands in braces
 * is an argument of the tool. Nothing is tried or guessed when a call is made, so services that have other paths need them named here.
 */
export const toolPaths = {
  search_corpus: '/v1/search',
  get_chunk: '/v1/chunks/{chunk_id}',
  review_code: '/v1/agents/code-review/run',
  analyze_architecture: '/v1/agents/architecture/run',
  generate_documentation: '/v1/agents/doc-generate/run',
  cross_reference: '/v1/agents/cross-reference',
  enrich_metadata: '/v1/agents/enrich-metadata',
  hybrid_search: '/v1/search/hybrid',
  embed: '/v1/embed',
  compute_similarity: '/v1/similarity',
  extract_keywords: '/api/v1/keywords',
  generate_embeddings: '/v1/embeddings',
  semantic_search: '/v1/search/hybrid',
  similar_chapters: '/v1/search/similar-chapters',
  extract_terms: '/v1/extract',
} as const;

export type ToolPaths = Readonly<Record<keyof typeof toolPaths, string>>;

const maxPathLength = 512;
const segments = /^(?:\/[\w.~!$&'()*+,;=:@%-]+)+$/;
const isDots = (segment: string): boolean => /^(?:\.|%2e){1,2}$/i.test(segment);

/** Reads a path in place of `preset`: what stands in braces there has to be in it once, and nothing else may be. */
export function toolPathReader(preset: string): ValueReader<string> {
  const argument = /\{\w+\}/.exec(preset)?.[0] ?? '';
  const holding = argument === '' ? '' : ` that has ${argument} as a segment`;
  const wrong = new Wrong(`a path${holding}, from "/", without query`);
  return (raw) => {
    if (typeof raw !== 'string' || raw.length > maxPathLength) return wrong;
    const parts = raw.split('/');
    if (argument !== '' && parts.filter((part) => part === argument).length !== 1) return wrong;
    const plain = argument === '' ? raw : raw.replace(argument, 'x');
    return segments.test(plain) && !parts.some(isDots) ? raw : wrong;
  };
}

const readers = Object.fromEntries(
  Object.entries(toolPaths).map(([tool, preset]) => [tool, toolPathReader(preset)]),
);

/** @param given what `services.paths` is in the file */
export function readToolPaths(given: unknown, problems: Problems): ToolPaths {
  return { ...toolPaths, ...readFields('services.paths', given ?? {}, readers, problems) };
}
