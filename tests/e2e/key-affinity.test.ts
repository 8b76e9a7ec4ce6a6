import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { type JsonServer, startJsonServer } from '../support/json-server.ts';
import { respond } from '../support/responses.ts';

const keys = ['planted-provider-key-a', 'planted-provider-key-b'];
let upstream: JsonServer;
let gateway: RunningGateway;
let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'key-affinity-'));
  upstream = await startJsonServer({
    '/responses': ({ headers }) => ({
      id: 'resp',
      object: 'response',
      status: 'completed',
      model: 'm',
      output: [
        { type: 'reasoning', id: 'rs', summary: [], encrypted_content: `made by ${headers.authorization}` },
        { type: 'message', id: 'msg', role: 'assistant', status: 'completed', content: [] },
      ],
    }),
  });
});
afterEach(async () => {
  await gateway?.stop();
  upstream.close();
  rmSync(folder, { recursive: true });
});

/** The environment of a gateway whose provider has these keys. */
function withKeys(list: readonly string[]): Record<string, string> {
  const file = path.join(folder, 'gateway.yaml');
  const many = { base_url: upstream.origin, responses: true, api_keys: list };
  writeFileSync(file, JSON.stringify({ providers: { many } }));
  return { LLM_GATEWAY_CONFIG: file, LLM_GATEWAY_DATA_DIR: path.join(folder, 'data') };
}

test('encrypted reasoning goes back by the key that made it, also after a reload that moves the keys', async () => {
  gateway = await startGateway(withKeys(keys));
  const input = [{ role: 'user', content: 'Hi.' }];
  const first = await respond(gateway.url, {
    model: 'many/m',
    input,
    include: ['reasoning.encrypted_content'],
  });
  const { output } = (await first.json()) as { output: object[] };
  expect(JSON.stringify(output)).toContain('encrypted_content');
  const used = (): unknown => upstream.got.at(-1)?.headers.authorization;
  const maker = used();
  for (const list of [keys, keys.toReversed()]) {
    gateway.gateway.reload(loadConfig({ env: withKeys(list) }));
    for (let i = 0; i < 8; i++) {
      const next = await respond(gateway.url, { model: 'many/m', input: [...input, ...output, ...input] });
      expect([next.status, used()]).toEqual([200, maker]);
    }
  }
});
