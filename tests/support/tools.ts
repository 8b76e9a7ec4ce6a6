import { ToolSource } from '../../gen/llmgateway/v1/tool_service_pb.js';
import type { Tool, ToolContext, ToolOutcome } from '../../src/tools/tool.ts';

type Args = Readonly<Record<string, unknown>>;

/** The gateway's built-in tools, in the order of their list. */
export const builtInNames: readonly string[] = [
  'echo',
  'calculator',
  'search_corpus',
  'get_chunk',
  'review_code',
  'analyze_architecture',
  'generate_documentation',
  'cross_reference',
  'enrich_metadata',
  'hybrid_search',
  'embed',
  'compute_similarity',
  'extract_keywords',
  'generate_embeddings',
  'semantic_search',
  'similar_chapters',
  'extract_terms',
];

/** A built-in tool of a test's own. */
export const makeTool = (
  name: string,
  schema: Record<string, unknown>,
  run: (args: Args, context: ToolContext) => Promise<ToolOutcome> | ToolOutcome,
  more: Partial<Tool> = {},
): Tool => ({
  name,
  description: `Does ${name}`,
  parametersJson: JSON.stringify({ type: 'object', ...schema }),
  source: ToolSource.BUILT_IN,
  run: async (args, context) => run(args, context),
  ...more,
});

export const result = (value: unknown): ToolOutcome => ({ kind: 'result', json: JSON.stringify(value) });

export const echo = makeTool(
  'echo',
  { properties: { message: { type: 'string' } }, required: ['message'] },
  ({ message }) => result({ echoed: message }),
);

export const calculator = makeTool(
  'calculator',
  {
    properties: {
      a: { type: 'number' },
      b: { type: 'number' },
      operation: { type: 'string', default: 'add' },
    },
    required: ['a', 'b'],
  },
  ({ a, b, operation = 'add' }) => {
    if (operation === 'add') return result({ result: Number(a) + Number(b), operation, a, b });
    if (operation !== 'divide') return { kind: 'error', message: `Unknown operation: ${operation}` };
    if (b === 0) return { kind: 'error', message: 'Division by zero' };
    return result({ result: Number(a) / Number(b), operation, a, b });
  },
);

/** The tool routes of a gateway. */
export const toolsAt = (url: string) => {
  const send = (method: string, path: string, body?: unknown, init: RequestInit = {}): Promise<Response> =>
    fetch(`${url}/v1/tools${path}`, {
      method,
      ...init,
      headers: { 'content-type': 'application/json', ...init.headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  return {
    list: () => send('GET', ''),
    async names(): Promise<string[]> {
      const tools = (await (await send('GET', '')).json()) as { name: string }[];
      return tools.map(({ name }) => name);
    },
    register: (body: unknown) => send('POST', '', body),
    delete: (name: string) => send('DELETE', `/${name}`),
    execute: (body: unknown, init?: RequestInit) => send('POST', '/execute', body, init),
  };
};

/** The body of a registration that is fine, but for what is changed. */
export const registration = (url: string, changes: Record<string, unknown> = {}) => ({
  name: 'lookup',
  description: 'Looks something up',
  parameters: { type: 'object', properties: { q: { type: 'string' } }, required: ['q'] },
  handler: { type: 'http', url },
  ...changes,
});
