/** One thing that can be done with a service of the documentation platform. */
export interface Operation {
  readonly method: 'GET' | 'POST';
  /** Below the service's address. What stands in braces is an argument. */
  readonly path: string;
  /** Members of the query that are arguments of the same name, with what they are when they are not given. */
  readonly query?: Readonly<Record<string, string>>;
  /** Arguments that it cannot do without. */
  readonly required: readonly string[];
  /** Members of the body that are arguments of the same name, with what they are when they are not given. */
  readonly defaults?: Readonly<Record<string, unknown>>;
  /** Members that no argument changes. */
  readonly fixed?: Readonly<Record<string, unknown>>;
  /** Makes the body where it is not just the arguments. */
  readonly body?: (args: Arguments, now: string) => Record<string, unknown>;
}

export type Arguments = Readonly<Record<string, unknown>>;

/** A service of the documentation platform. */
export interface IntegrationFacts {
  /** As in `GET /services/status`. */
  readonly statusName: string;
  readonly operations: Readonly<Record<string, Operation>>;
}

const post = (path: string, required: readonly string[], more: Partial<Operation> = {}): Operation => ({
  method: 'POST',
  path,
  required,
  ...more,
});
const get = (path: string, more: Partial<Operation> = {}): Operation => ({
  method: 'GET',
  path,
  required: [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string),
  ...more,
});

/** Metadata of what a model said. */
const saidBy = (args: Arguments, now: string): Record<string, unknown> => ({
  tokens_used: args['tokens_used'] ?? 0,
  processing_time: args['processing_time'] ?? 0,
  timestamp: now,
});

/**
 * All services with their operations: the paths and bodies that the gateway before this one used. Paths can be configured, since the services
 * themselves have moved.
 */
export const integrationTable = {
  doc_store: {
    statusName: 'doc_store',
    operations: {
      store: post('/documents', ['content'], {
        body: (args, now) => ({
          title: args['title'] ?? 'LLM Interaction',
          content: args['content'],
          metadata: { llm_provider: args['provider'] ?? null, ...saidBy(args, now) },
        }),
      }),
      retrieve: get('/documents/{doc_id}'),
      search: post('/documents/search', ['query']),
    },
  },
  prompt_store: {
    statusName: 'prompt-store',
    operations: {
      get_optimized: post('/prompts/optimized', ['task_type'], { defaults: { context: {} } }),
      store_prompt: post('/prompts', ['content'], { defaults: { category: 'llm_gateway', variables: [] } }),
      get_prompts: get('/prompts/category/{category}', { required: [], defaults: { category: 'general' } }),
    },
  },
  memory_agent: {
    statusName: 'memory-agent',
    operations: {
      store_interaction: post('/memory', ['user_id', 'prompt', 'response'], {
        body: (args, now) => ({
          user_id: args['user_id'],
          interaction_type: 'llm_query',
          content: {
            prompt: args['prompt'],
            response: args['response'],
            provider: args['provider'] ?? null,
            context: args['context'] ?? null,
          },
          metadata: saidBy(args, now),
        }),
      }),
      retrieve_context: get('/memory/{user_id}/context'),
      get_conversation_history: get('/memory/{user_id}/history', { query: { limit: '10' } }),
    },
  },
  interpreter: {
    statusName: 'interpreter',
    operations: {
      interpret_query: post('/interpret', ['query'], { defaults: { context: {}, user_id: null } }),
      translate_to_workflow: post('/translate/workflow', ['query'], {
        defaults: { available_services: [], context: {} },
      }),
      extract_entities: post('/extract/entities', ['text'], { defaults: { entity_types: [] } }),
    },
  },
  orchestrator: {
    statusName: 'orchestrator',
    operations: {
      execute_workflow: post('/workflows/execute', [], {
        defaults: { workflow_type: 'llm_processing', parameters: {}, context: {} },
      }),
      register_workflow: post('/workflows/register', ['workflow_name', 'workflow_definition'], {
        fixed: { required_services: ['llm-gateway'] },
      }),
      get_service_status: get('/services/status'),
    },
  },
  summarizer_hub: {
    statusName: 'summarizer-hub',
    operations: {
      summarize: post('/summarize/ensemble', ['text'], { defaults: { providers: ['ollama'], prompt: null } }),
      get_providers: get('/providers'),
    },
  },
  secure_analyzer: {
    statusName: 'secure-analyzer',
    operations: {
      analyze_security: post('/detect', ['content'], { defaults: { keywords: [] } }),
      get_secure_providers: post('/suggest', ['content'], { defaults: { providers: [] } }),
    },
  },
  code_analyzer: {
    statusName: 'code-analyzer',
    operations: {
      analyze_code: post('/analyze', ['code'], {
        defaults: { language: null, analysis_type: 'comprehensive' },
      }),
      extract_endpoints: post('/endpoints', ['code']),
    },
  },
  architecture_digitizer: {
    statusName: 'architecture-digitizer',
    operations: {
      digitize_architecture: post('/digitize', ['content'], {
        defaults: { format: 'text', extract_relationships: true },
      }),
      analyze_dependencies: post('/dependencies', ['architecture_data']),
    },
  },
  analysis_service: {
    statusName: 'analysis-service',
    operations: {
      analyze_consistency: post('/analyze', ['content'], {
        defaults: { thresholds: {} },
        fixed: { analysis_type: 'consistency' },
      }),
      analyze_quality: post('/quality', ['content']),
    },
  },
} as const satisfies Readonly<Record<string, IntegrationFacts>>;

export type IntegrationName = keyof typeof integrationTable;

export const integrationNames = Object.keys(integrationTable) as IntegrationName[];

export const operationsOf = (name: IntegrationName): Readonly<Record<string, Operation>> =>
  integrationTable[name].operations;
