import { setTimeout as wait } from 'node:timers/promises';
import { ToolSource } from '../../gen/llmgateway/v1/tool_service_pb.js';
import { everybody } from '../../src/auth/authenticator.ts';
import type { GatewayError } from '../../src/errors/gateway-error.ts';
import { OpenCalls } from '../../src/pipeline/open-calls.ts';
import { type McpRouteOptions, mcpEndpoint } from '../../src/rest/mcp.ts';
import { restRouter } from '../../src/rest/router.ts';
import { createCors, originPolicy } from '../../src/server/cors.ts';
import { createFaces } from '../../src/server/faces.ts';
import { createPort } from '../../src/server/port.ts';
import type { Tool, ToolContext } from '../../src/tools/tool.ts';
import type { Toolbox } from '../../src/tools/toolbox.ts';
import { testAdmission } from './admission.ts';

/** A toolbox over a list: the interface, without bounds. Arguments have to have the members that their schema requires. */
export const listToolbox = (tools: readonly Tool[]): Toolbox => ({
  list: async () => tools,
  find: async (_tenant, name) => tools.find((tool) => tool.name === name) ?? null,
  async run(tool, argumentsJson, context) {
    const args = JSON.parse(argumentsJson) as Record<string, unknown>;
    const { required = [] } = JSON.parse(tool.parametersJson) as { required?: string[] };
    const field = required.find((name) => !(name in args));
    if (field !== undefined) return { kind: 'bad_arguments', message: `${field} is missing`, field };
    return tool.run(args, context);
  },
});

/** A tool that does what the function says. */
export const testTool = (
  name: string,
  run: (args: Readonly<Record<string, unknown>>, context: ToolContext) => Promise<string>,
  more: Partial<Tool> = {},
): Tool => ({
  name,
  description: `does ${name}`,
  parametersJson: '{"type":"object","properties":{"x":{"type":"string"}}}',
  source: ToolSource.BUILT_IN,
  run: async (args, context) => ({ kind: 'result', json: await run(args, context) }),
  ...more,
});

/** Waits until it is told to stop, and notes both. */
export const slowTool = (name: string, notes: string[]): Tool =>
  testTool(name, async (_args, { signal }) => {
    notes.push('running');
    try {
      await wait(60_000, undefined, { signal });
    } catch {
      notes.push('stopped');
      throw signal.reason;
    }
    return 'null';
  });

export interface McpFace {
  readonly url: string;
  readonly errors: (Error | GatewayError)[];
  readonly open: OpenCalls;
  stop(): Promise<void>;
}

/** The MCP face on a port of loopback, with the faces' own checks in front of it. */
export async function startMcpFace(
  toolbox: Toolbox,
  {
    origins = [] as readonly string[],
    ...more
  }: Partial<McpRouteOptions> & { origins?: readonly string[] } = {},
): Promise<McpFace> {
  const errors: Error[] = [];
  const open = new OpenCalls();
  const endpoint = mcpEndpoint({
    toolbox,
    expose: () => 'own',
    maxBodyBytes: () => 65_536,
    limits: { totalMs: () => 60_000, open },
    service: 'test-gateway',
    version: '1.2.3',
    onFault: (error) => void errors.push(error),
    onRefused: () => {},
    ...more,
  });
  const faces = createFaces({
    rest: restRouter({ '/mcp': { POST: endpoint } }, (error) => void errors.push(error)),
    rpc: () => {},
    cors: createCors({ origins }),
    authenticate: everybody,
    admission: testAdmission().admission,
    onRefused: () => {},
    fromAllowedOrigin: originPolicy({ origins }),
  });
  const limits = { headersTimeoutMs: 10_000, requestTimeoutMs: 10_000, keepAliveTimeoutMs: 10_000 };
  const port = createPort({ ...faces, limits, onError: (error) => void errors.push(error as Error) });
  const { port: number } = await port.listen({ host: '127.0.0.1', port: 0 });
  return { url: `http://127.0.0.1:${number}/mcp`, errors, open, stop: () => port.close() };
}
