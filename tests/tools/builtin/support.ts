import { toolPaths } from '../../../src/config/tool-paths.ts';
import { createUpstreamClient } from '../../../src/http/client.ts';
import { createServices } from '../../../src/integrations/services.ts';
import { createLogger } from '../../../src/observability/log.ts';
import { type BuiltinToolOptions, builtinTools } from '../../../src/tools/builtin/builtin-tools.ts';
import type { Tool, ToolContext, ToolOutcome } from '../../../src/tools/tool.ts';
import { load } from '../../config/support/load.ts';
import {
  type PlatformService,
  startAiAgents,
  startCodeOrchestrator,
  startSemanticSearch,
} from '../../support/services.ts';

/** The built-in tools, before services that are really there. */
export interface ToolBench {
  readonly services: {
    readonly semanticSearch: PlatformService;
    readonly aiAgents: PlatformService;
    readonly codeOrchestrator: PlatformService;
  };
  readonly tools: readonly Tool[];
  tool(name: string): Tool;
  run(name: string, args: Record<string, unknown>, context?: Partial<ToolContext>): Promise<ToolOutcome>;
  stop(): Promise<void>;
}

export interface BenchOptions extends Partial<BuiltinToolOptions> {
  /** The agents put their results into a wrapper. */
  readonly wrapped?: boolean;
  readonly env?: Record<string, string>;
}

export async function startToolBench(options: BenchOptions = {}): Promise<ToolBench> {
  const { taxonomyEnabled = false, paths = toolPaths, wrapped = false, env = {} } = options;
  const services = {
    semanticSearch: await startSemanticSearch({ taxonomy: taxonomyEnabled }),
    aiAgents: await startAiAgents({ wrapped }),
    codeOrchestrator: await startCodeOrchestrator(),
  };
  const client = createUpstreamClient();
  const config = load(null, {
    LLM_GATEWAY_SEMANTIC_SEARCH_URL: services.semanticSearch.origin,
    LLM_GATEWAY_AI_AGENTS_URL: services.aiAgents.origin,
    CODE_ORCHESTRATOR_URL: services.codeOrchestrator.origin,
    ...env,
  });
  const log = createLogger({ service: 'test', level: 'DEBUG', sink: () => {} });
  const tools = builtinTools(createServices(config, client, log), { paths, taxonomyEnabled });
  const tool = (name: string): Tool => {
    const found = tools.find((one) => one.name === name);
    if (found === undefined) throw new Error(`there is no tool ${name}`);
    return found;
  };
  return {
    services,
    tools,
    tool,
    run: (name, args, context) =>
      tool(name).run(args, {
        tenant: '',
        requestId: 'req_1',
        signal: new AbortController().signal,
        ...context,
      }),
    async stop() {
      await client.destroy();
      for (const service of Object.values(services)) service.close();
    },
  };
}

export type ServiceName = keyof ToolBench['services'];
