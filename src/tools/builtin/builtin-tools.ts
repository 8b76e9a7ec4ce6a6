import type { ToolPaths } from '../../config/tool-paths.ts';
import type { Service } from '../../integrations/service.ts';
import type { Tool } from '../tool.ts';
import { crossReference, enrichMetadata } from './agents.ts';
import { analyzeArchitecture, generateDocumentation, reviewCode } from './code-agents.ts';
import { calculator, echo } from './local.ts';
import { computeSimilarity, extractKeywords, extractTerms, generateEmbeddings } from './orchestrator.ts';
import { embed, getChunk, hybridSearch, searchCorpus, semanticSearch, similarChapters } from './search.ts';

/** The services that built-in tools ask. */
export interface ToolServices {
  readonly semanticSearch: Service;
  readonly aiAgents: Service;
  readonly codeOrchestrator: Service;
}

export interface BuiltinToolOptions {
  readonly paths: ToolPaths;
  /** Whether semantic-search takes `taxonomy`; without that it is never sent. */
  readonly taxonomyEnabled: boolean;
}

/** The tools that are part of the gateway, in the order in which they are listed. */
export function builtinTools(services: ToolServices, options: BuiltinToolOptions): readonly Tool[] {
  const { aiAgents, codeOrchestrator } = services;
  const { paths } = options;
  const search = { ...options, service: services.semanticSearch };
  const agents = { paths, service: aiAgents };
  return [
    echo,
    calculator,
    searchCorpus(search),
    getChunk(search),
    reviewCode(aiAgents, paths),
    analyzeArchitecture(aiAgents, paths),
    generateDocumentation(aiAgents, paths),
    crossReference(agents),
    enrichMetadata(agents),
    hybridSearch(search),
    embed(search),
    computeSimilarity(codeOrchestrator, paths),
    extractKeywords(codeOrchestrator, paths),
    generateEmbeddings(codeOrchestrator, paths),
    semanticSearch(search),
    similarChapters(search),
    extractTerms(codeOrchestrator, paths),
  ];
}
