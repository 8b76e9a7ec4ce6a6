import type { ToolPaths } from '../../config/tool-paths.ts';
import type { Service } from '../../integrations/service.ts';
import type { Tool } from '../tool.ts';
import { failureText } from './failure-text.ts';
import { type Arguments, failedWith, type Parameters, serviceTool } from './service-tool.ts';

interface OrchestratorTool {
  readonly name: 'compute_similarity' | 'extract_keywords' | 'generate_embeddings' | 'extract_terms';
  readonly description: string;
  readonly parameters: Parameters;
  /** What it is called in the texts of failures. */
  readonly operation: string;
  /** What is sent. */
  readonly body: (args: Arguments) => object;
}

const orchestratorTool = (service: Service, paths: ToolPaths, tool: OrchestratorTool): Tool =>
  serviceTool({
    ...tool,
    service,
    breaker: 'code-orchestrator-service',
    ask: (args) => ({ method: 'POST', path: paths[tool.name], body: tool.body(args) }),
    failed: (error, _args, timeoutMs) => {
      const words = `Code-Orchestrator ${tool.operation}`;
      const wording = { open: words, timeout: words, error: words, unavailable: `${words} service` };
      return failedWith(failureText(wording, error, timeoutMs));
    },
  });

const strings = (description: string) => ({ type: 'array', items: { type: 'string' }, description });

export const computeSimilarity = (service: Service, paths: ToolPaths): Tool =>
  orchestratorTool(service, paths, {
    name: 'compute_similarity',
    description: 'Tells how similar two texts are in meaning, from -1 to 1.',
    parameters: {
      properties: {
        text1: { type: 'string', description: 'First text.' },
        text2: { type: 'string', description: 'Second text.' },
      },
      required: ['text1', 'text2'],
    },
    operation: 'similarity',
    body: ({ text1, text2 }) => ({ text1, text2 }),
  });

export const extractKeywords = (service: Service, paths: ToolPaths): Tool =>
  orchestratorTool(service, paths, {
    name: 'extract_keywords',
    description: 'Extracts the keywords of each of some texts.',
    parameters: {
      properties: {
        corpus: strings('The texts.'),
        top_k: { type: 'integer', description: 'Most keywords of each, up to 100.', default: 10 },
      },
      required: ['corpus'],
    },
    operation: 'keywords',
    body: ({ corpus, top_k = 10 }) => ({ corpus, top_k }),
  });

export const generateEmbeddings = (service: Service, paths: ToolPaths): Tool =>
  orchestratorTool(service, paths, {
    name: 'generate_embeddings',
    description: 'Makes embedding vectors of texts with the model of the code orchestrator.',
    parameters: { properties: { texts: strings('Texts to embed.') }, required: ['texts'] },
    operation: 'embeddings',
    body: ({ texts }) => ({ texts }),
  });

export const extractTerms = (service: Service, paths: ToolPaths): Tool =>
  orchestratorTool(service, paths, {
    name: 'extract_terms',
    description: 'Extracts the terms of a query that are worth a search, with their scores.',
    parameters: {
      properties: {
        query: { type: 'string', description: 'The query.' },
        domain: { type: 'string', description: 'Field that it is from.' },
        max_terms: { type: 'integer', description: 'Most terms, 1 to 50.', default: 10 },
        min_confidence: { type: 'number', description: 'Least confidence, 0 to 1.', default: 0.5 },
      },
      required: ['query'],
    },
    operation: 'terms',
    body: ({ query, domain, min_confidence = 0.5, max_terms = 10 }) => ({
      query,
      domain,
      options: { min_confidence, max_terms },
    }),
  });
