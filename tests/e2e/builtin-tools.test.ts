import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Face } from '../support/faces.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { type Json, type ScriptedModel, startModel } from '../support/scripted-model.ts';
import {
  answer,
  type PlatformService,
  startAiAgents,
  startCodeOrchestrator,
  startSemanticSearch,
} from '../support/services.ts';
import { ask, toolFaces } from '../support/tool-faces.ts';
import { toolsAt } from '../support/tools.ts';
import { requests } from '../tools/builtin/cases.ts';
import type { ServiceName } from '../tools/builtin/support.ts';

let services: Record<ServiceName, PlatformService>;
let model: ScriptedModel;
let gateway: RunningGateway;
beforeAll(async () => {
  services = {
    semanticSearch: await startSemanticSearch({ taxonomy: false }),
    aiAgents: await startAiAgents({ wrapped: false }),
    codeOrchestrator: await startCodeOrchestrator(),
  };
  model = await startModel();
  gateway = await startGateway({
    LLM_GATEWAY_SEMANTIC_SEARCH_URL: services.semanticSearch.origin,
    LLM_GATEWAY_AI_AGENTS_URL: services.aiAgents.origin,
    LLM_GATEWAY_CODE_ORCHESTRATOR_URL: services.codeOrchestrator.origin,
    LLM_GATEWAY_CIRCUIT_BREAKER_FAILURE_THRESHOLD: '100',
    OPENAI_API_KEY: 'k',
    LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1`,
  });
});
afterAll(async () => {
  await gateway.stop();
  model.close();
  for (const service of Object.values(services)) service.close();
});
beforeEach(() => {
  for (const service of Object.values(services)) {
    service.instead = null;
    service.asked.length = 0;
  }
});

/** A service's answer in a form that nobody would write again. */
const odd = '{ "results": [ ], "n": 12345678901234567890, "ü": 1.0 }';
const asked = (service: ServiceName) =>
  services[service].asked.map((one) => [`${one.method} ${one.path}`, one.body]);

/** What the model was told of its call. */
async function toldInChat(face: Face, stream: boolean, name: string, args: Json): Promise<unknown> {
  model.script = [{ calls: [['c1', name, JSON.stringify(args)]] }, { text: 'read' }];
  const body = { model: 'openai/m', messages: [{ role: 'user', content: 'go' }], gateway_tools: [name] };
  const seen = await ask(face, gateway.url, body, { stream });
  expect([seen.failure, seen.text, seen.calls]).toEqual(['', 'read', []]);
  const { role, tool_call_id, content } = model.messages().at(-1) as Json;
  expect([role, tool_call_id]).toEqual(['tool', 'c1']);
  return content;
}

describe.each(requests)('%s', (name, args, service, request, body) => {
  test('asks its service for a client that executes it, and gives the answer byte for byte', async () => {
    services[service].instead = (_asked, response) => answer(response, 200, odd);
    const response = await toolsAt(gateway.url).execute({ name, arguments: args });
    expect(await response.text()).toBe(`{"name":"${name}","result":${odd},"success":true,"error":null}`);
    expect(asked(service)).toEqual([[request, body]]);
  });

  test('and does within chat what it does there', async () => {
    services[service].instead = (_asked, response) => answer(response, 200, odd);
    expect(await toldInChat('REST', true, name, args)).toBe(odd);
    expect(asked(service)).toEqual([[request, body]]);
  });

  test('tells both of the same failure', async () => {
    services[service].instead = (_asked, response) => answer(response, 500, { detail: 'broken' });
    const response = await toolsAt(gateway.url).execute({ name, arguments: args });
    const { success, result, error } = (await response.json()) as Json;
    const told = await toldInChat('REST', false, name, args);
    // Some tools have a form of result for failures, and never fail.
    if (success === true) expect(told).toBe(JSON.stringify(result));
    else expect(told).toBe(`Tool execution failed: ${error}`);
  });
});

test.each(toolFaces.flatMap((face) => [true, false].map((stream) => [face, stream] as const)))(
  'a built-in tool answers on %s; streamed: %s',
  async (face, stream) => {
    const args = { a: 6, b: 7, operation: 'multiply' };
    expect(await toldInChat(face, stream, 'calculator', args)).toBe(
      '{"result":42,"operation":"multiply","a":6,"b":7}',
    );
  },
);
