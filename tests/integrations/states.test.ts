import { expect, test } from 'vitest';
import type { UpstreamClient } from '../../src/http/client.ts';
import { Integrations } from '../../src/integrations/integrations.ts';
import { createLogger } from '../../src/observability/log.ts';
import { load } from '../config/support/load.ts';

test('why a service could not be asked is in the log, where that is a fault of the gateway', async () => {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({
    service: 't',
    level: 'DEBUG',
    sink: (line) => void lines.push(JSON.parse(line)),
  });
  const client = { send: () => Promise.reject(new TypeError('a fault')) } as unknown as UpstreamClient;
  const config = load(null, { DOC_STORE_URL: 'http://127.0.0.1:9' });
  const states = await new Integrations(config, client, log).states({ requestId: 'r' }, true);
  expect(states).toMatchObject([{ status: 'error', error: 'it could not be asked' }]);
  const told = lines.filter(({ level }) => level === 'ERROR');
  expect(told).toHaveLength(1);
  expect(JSON.stringify(told)).toContain('a fault');
  expect(told[0]).toMatchObject({ service: expect.anything() });
});
