import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { anonymous } from '../../src/auth/principal.ts';
import type { Config } from '../../src/config/load.ts';
import { createAudit } from '../../src/context/audit.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { createLogger } from '../../src/observability/log.ts';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(tmpdir(), 'audit-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** The lines of what was refused. */
async function linesOf(...refused: [path: string, reason: ErrorReason, method?: string][]) {
  const file = path.join(folder, 'audit.jsonl');
  const config = {
    auditPath: file,
    auditMaxFileBytes: 2 ** 20,
    auditMaxHeldBytes: 2 ** 20,
    auditCollector: '',
    auditCollectorHeld: 1,
    serviceName: 't',
  } as Config;
  const log = createLogger({ service: 't', level: 'ERROR', sink: () => {} });
  const audit = createAudit(config, 1, null, log);
  const principal = { ...anonymous, tenant: 'acme', id: 'key-1' };
  for (const [path, reason, method = 'POST'] of refused)
    audit?.refused(new GatewayError(reason, 'no'), { requestId: 'r', method, path, principal });
  await audit?.close();
  const lines = fs.readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('who was refused is written down where it is known', async () => {
  const [line] = await linesOf(['/v1/chat/completions', ErrorReason.INVALID_REQUEST]);
  expect(line).toMatchObject({ tenant: 'acme', principal: 'key-1', status: 'invalid_request' });
});

test('what is no call has no line', async () => {
  const { NOT_FOUND: none } = ErrorReason;
  const service = '/llmgateway.v1.ResponsesService/';
  const lines = await linesOf(
    ['/v1/responses/resp_x', none, 'GET'],
    ['/v1/responses/resp_x/cancel', none],
    ['/v1/responses', none, 'GET'],
    ['/integrations/doc_store/search', none, 'GET'],
    [`${service}GetConversation`, none],
    [`${service}GetResponse`, none],
    ['/v1/responses/', none],
    [`${service}CreateResponse`, none],
  );
  expect(lines.map(({ endpoint }) => endpoint)).toEqual(['/v1/responses/', `${service}CreateResponse`]);
});

test('what fails before a call by no fault of the client is written down, and clients that left of queries only', async () => {
  const { DEPENDENCY_UNAVAILABLE: away } = ErrorReason;
  const paths = [
    '/chat/completions',
    '/v1/chat/completions',
    '/chat',
    '/chat/',
    '/query',
    '/integrations/a/b',
  ];
  const lines = await linesOf(...paths.map((at): [string, ErrorReason] => [at, away]));
  expect(lines.map(({ endpoint }) => endpoint)).toEqual(paths);
  const { CANCELLED: left } = ErrorReason;
  const others = await linesOf(...paths.map((at): [string, ErrorReason] => [at, left]));
  expect(others.slice(paths.length).map(({ endpoint }) => endpoint)).toEqual(paths.slice(2));
});
