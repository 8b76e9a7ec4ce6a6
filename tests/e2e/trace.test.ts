import { createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ToolService } from '../../gen/llmgateway/v1/tool_service_pb.js';
import { type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { type JsonServer, startJsonServer } from '../support/json-server.ts';
import { type ScriptedModel, startModel } from '../support/scripted-model.ts';
import { toolsAt } from '../support/tools.ts';

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const tracestate = 'vendor=1';
const query = { query: 'x' };

let search: JsonServer;
let model: ScriptedModel;
let gateway: RunningGateway;
beforeAll(async () => {
  search = await startJsonServer({ '/v1/search': () => ({ results: [] }) });
  model = await startModel();
  gateway = await startGateway({
    LLM_GATEWAY_SEMANTIC_SEARCH_URL: search.origin,
    OPENAI_API_KEY: 'k',
    LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1`,
  });
});
afterAll(async () => {
  await gateway.stop();
  search.close();
  model.close();
});
beforeEach(() => {
  search.got.length = 0;
});
/** What the service was told of the trace. */
const told = () => search.got.map(({ headers }) => [headers['traceparent'], headers['tracestate']]);

test('the trace of a client reaches the service that a tool asks: POST /v1/tools/execute', async () => {
  const headers = { traceparent, tracestate };
  const response = await toolsAt(gateway.url).execute(
    { name: 'search_corpus', arguments: query },
    { headers },
  );
  expect(await response.json()).toMatchObject({ success: true });
  expect(told()).toEqual([[traceparent, tracestate]]);
});

test.each(Object.entries(rpcTransports))('on RPC: %s', async (_name, transport) => {
  const client = createClient(ToolService, transport(gateway.url));
  const wanted = { name: 'search_corpus', argumentsJson: JSON.stringify(query) };
  await client.executeTool(wanted, { headers: { traceparent, tracestate } });
  expect(told()).toEqual([[traceparent, tracestate]]);
});

test('in chat', async () => {
  model.script = [{ calls: [['c1', 'search_corpus', JSON.stringify(query)]] }, { text: 'found' }];
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent },
    body: JSON.stringify({
      model: 'openai/m',
      messages: [{ role: 'user', content: 'find x' }],
      gateway_tools: ['search_corpus'],
    }),
  });
  expect(response.status).toBe(200);
  expect(told()).toEqual([[traceparent, undefined]]);
});

test('a reload says whether providers are told', async () => {
  const traced = async (): Promise<boolean> => {
    model.script = [{ text: 'x' }];
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent },
      body: JSON.stringify({ model: 'openai/m', messages: [{ role: 'user', content: 'x' }] }),
    });
    expect(response.status).toBe(200);
    return /^traceparent:/im.test(model.heads.at(-1)!);
  };
  const { config } = gateway.gateway;
  expect(await traced()).toBe(true);
  gateway.gateway.reload({ ...config, tracesPropagate: false });
  expect(await traced()).toBe(false);
  gateway.gateway.reload(config);
  expect(await traced()).toBe(true);
});

test('what is no trace context goes nowhere', async () => {
  const headers = { traceparent: '00-0-0-01', tracestate };
  await toolsAt(gateway.url).execute({ name: 'search_corpus', arguments: query }, { headers });
  expect(told()).toEqual([[undefined, undefined]]);
});
