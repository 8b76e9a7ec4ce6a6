import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startGateway } from '../support/gateway.ts';
import { isAlive, scripted, until } from '../tools/mcp/support/tools.ts';

test('a reload begins, keeps and ends MCP servers, and the end of the gateway is theirs', async () => {
  const first = scripted('plain');
  const second = scripted('stays');
  const gateway = await startGateway();
  onTestFinished(() => gateway.stop());
  const { config } = gateway.gateway;
  const a = { ...first.config, name: 'a' };
  const b = { ...second.config, name: 'b' };
  const connected = () => gateway.log.filter(({ message }) => message === 'connected');

  gateway.gateway.reload({ ...config, mcpServers: [a] });
  await until(() => connected().length === 1);
  gateway.gateway.reload({ ...config, mcpServers: [structuredClone(a), b] });
  await until(() => connected().length === 2);
  expect(connected().map(({ mcp_server }) => mcp_server)).toEqual(['a', 'b']);
  expect(first.pids()).toHaveLength(1);

  gateway.gateway.reload({ ...config, mcpServers: [b] });
  await until(() => !isAlive(first.pids()[0] as number));
  expect(isAlive(second.pids()[0] as number)).toBe(true);
  await gateway.gateway.drain();
  expect(second.pids().filter(isAlive)).toEqual([]);
});

test('servers that are away delay neither the start nor the end', async () => {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'mcp-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const gateway = await startGateway({ LLM_GATEWAY_DATA_DIR: dataDir });
  const { config } = gateway.gateway;
  const { config: mute, pids } = scripted('mute');
  const nowhere = { kind: 'http', url: 'http://127.0.0.1:9/mcp', headers: {} } as const;
  gateway.gateway.reload({ ...config, mcpServers: [mute, { ...mute, name: 'n', transport: nowhere }] });
  await until(() => pids().length === 1);
  const health = await fetch(`${gateway.url}/health`);
  expect(health.status).toBe(200);
  const begun = performance.now();
  await gateway.stop();
  expect(performance.now() - begun).toBeLessThan(5_000);
  expect(pids().filter(isAlive)).toEqual([]);
});
