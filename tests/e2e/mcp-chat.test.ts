import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { type Json, type ScriptedModel, startModel } from '../support/scripted-model.ts';
import { ask, toolFaces } from '../support/tool-faces.ts';
import { builtInNames, toolsAt } from '../support/tools.ts';
import { everything, until } from '../tools/mcp/support/tools.ts';

let folder: string;
let model: ScriptedModel;
let gateway: RunningGateway;
beforeAll(async () => {
  model = await startModel();
  folder = mkdtempSync(path.join(tmpdir(), 'mcp-chat-'));
  const file = path.join(folder, 'gateway.yaml');
  const args = JSON.stringify([everything, 'stdio']);
  writeFileSync(
    file,
    `mcp_servers:\n  every: { command: ${JSON.stringify(process.execPath)}, args: ${args} }\n`,
  );
  gateway = await startGateway({
    LLM_GATEWAY_CONFIG: file,
    OPENAI_API_KEY: 'k',
    LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1`,
  });
  await until(() => gateway.log.some(({ message }) => message === 'connected'));
});
afterAll(async () => {
  await gateway.stop();
  model.close();
  rmSync(folder, { recursive: true });
});

test('tools of an MCP server are listed after the built-in ones', async () => {
  const names = await toolsAt(gateway.url).names();
  expect(names.slice(0, builtInNames.length)).toEqual(builtInNames);
  expect(names).toContain('every__echo');
});

test.each(toolFaces.flatMap((face) => [true, false].map((stream) => [face, stream] as const)))(
  'an MCP server serves a chat on %s; streamed: %s',
  async (face, stream) => {
    model.script = [{ calls: [['c1', 'every__echo', '{"message":"hi"}']] }, { text: 'heard' }];
    const body = {
      model: 'openai/m',
      messages: [{ role: 'user', content: 'echo hi' }],
      gateway_tools: ['every__*'],
    };
    const seen = await ask(face, gateway.url, body, { stream });
    expect([seen.failure, seen.text, seen.calls]).toEqual(['', 'heard', []]);
    expect(model.messages().at(-1)).toEqual({ role: 'tool', tool_call_id: 'c1', content: 'Echo: hi' });
    const offered = ((model.asked.at(-1) as Json)['tools'] as Json[]).map(
      (tool) => (tool['function'] as Json)['name'],
    );
    expect(offered).toContain('every__echo');
  },
);

test('an MCP client finds and calls the tools of the gateway', async () => {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`)));
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(builtInNames);
  const result = await client.callTool({
    name: 'calculator',
    arguments: { a: 6, b: 7, operation: 'multiply' },
  });
  expect(result.structuredContent).toEqual({ result: 42, operation: 'multiply', a: 6, b: 7 });
  await client.close();
});
