import type { ToolPaths } from '../../config/tool-paths.ts';
import type { Service } from '../../integrations/service.ts';
import type { Tool } from '../tool.ts';
import { called, failureText } from './failure-text.ts';
import { failedWith, serviceTool } from './service-tool.ts';

/** What the tools of ai-agents are made of. */
export interface AgentOptions {
  readonly service: Service;
  readonly paths: ToolPaths;
}

const strings = (description: string) => ({
  type: 'array',
  items: { type: 'string' },
  description,
});
const tierFlag = (tier: number) => ({
  type: 'boolean',
  description: `Whether tier ${tier} is looked through.`,
  default: true,
});

export const crossReference = ({ service, paths }: AgentOptions): Tool =>
  serviceTool({
    name: 'cross_reference',
    description:
      'Finds what other books of the corpus say about the subject of a chapter, with citations by tier.',
    parameters: {
      properties: {
        book: { type: 'string', description: 'Book of the chapter.' },
        chapter: { type: 'integer', description: "The chapter's number." },
        title: { type: 'string', description: "The chapter's title." },
        tier: { type: 'integer', description: "The book's tier: 1, 2 or 3." },
        content: { type: 'string', description: "The chapter's text." },
        keywords: { ...strings("The chapter's keywords."), default: [] },
        concepts: { ...strings("The chapter's concepts."), default: [] },
        max_hops: { type: 'integer', description: 'Longest way from chapter to chapter.', default: 3 },
        min_similarity: { type: 'number', description: 'Least similarity, 0 to 1.', default: 0.7 },
        include_tier1: tierFlag(1),
        include_tier2: tierFlag(2),
        include_tier3: tierFlag(3),
        taxonomy_id: { type: 'string', description: 'Taxonomy to go by.', default: 'ai-ml' },
      },
      required: ['book', 'chapter', 'title', 'tier'],
    },
    service,
    breaker: 'ai-agents-service',
    ask: (args) => ({
      method: 'POST',
      path: paths.cross_reference,
      body: {
        source: {
          book: args['book'],
          chapter: args['chapter'],
          title: args['title'],
          tier: args['tier'],
          content: args['content'] ?? null,
          keywords: args['keywords'] ?? [],
          concepts: args['concepts'] ?? [],
        },
        config: {
          max_hops: args['max_hops'] ?? 3,
          min_similarity: args['min_similarity'] ?? 0.7,
          include_tier1: args['include_tier1'] ?? true,
          include_tier2: args['include_tier2'] ?? true,
          include_tier3: args['include_tier3'] ?? true,
        },
        taxonomy_id: args['taxonomy_id'] ?? 'ai-ml',
      },
    }),
    failed: (error, _args, timeoutMs) =>
      failedWith(failureText(called('AI agents service', true), error, timeoutMs)),
  });

export const enrichMetadata = ({ service, paths }: AgentOptions): Tool =>
  serviceTool({
    name: 'enrich_metadata',
    description: 'Enriches the metadata of chapters: keywords, topics, similar chapters.',
    parameters: {
      properties: {
        corpus: strings("The chapters' texts."),
        chapter_index: {
          type: 'array',
          description: 'Which chapter each text is, in the same order.',
          items: {
            type: 'object',
            properties: {
              book: { type: 'string' },
              chapter: { type: 'integer' },
              title: { type: 'string' },
              id: { type: 'string' },
            },
          },
        },
        config: {
          type: 'object',
          description: 'How to do it; what is left out is up to the service.',
          properties: {
            threshold: { type: 'number', description: 'Least similarity, 0 to 1.' },
            top_k: { type: 'integer', description: 'Most similar chapters of each.' },
            timeout: { type: 'number', description: 'Longest time in seconds.' },
            same_topic_boost: { type: 'number', description: 'What the same topic adds to a similarity.' },
            use_dynamic_threshold: { type: 'boolean' },
            enable_hybrid_search: { type: 'boolean' },
          },
        },
      },
      required: ['corpus', 'chapter_index'],
    },
    service,
    breaker: 'ai-agents',
    ask: ({ corpus, chapter_index, config }) => ({
      method: 'POST',
      path: paths.enrich_metadata,
      body: { corpus, chapter_index, config },
    }),
    failed: (error, _args, timeoutMs) =>
      failedWith(failureText(called('MSEP service', true), error, timeoutMs)),
  });
