import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Collector } from '../audit/collector.ts';
import { type AuditEntry, sensitivityOf, withoutSecrets } from '../audit/entry.ts';
import { pathOfWorker } from '../audit/files.ts';
import { AuditTrail } from '../audit/trail.ts';
import type { Config } from '../config/load.ts';
import { ConfigError } from '../config/problems.ts';
import type { GatewayError } from '../errors/gateway-error.ts';
import { createUpstreamClient } from '../http/client.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { OnFailure } from '../rpc/call-context.ts';
import type { OnServiceCall } from '../rpc/service-calls.ts';
import { isCall } from '../server/admit.ts';

/** What writes down calls. */
export interface Audit {
  readonly write: (entry: AuditEntry) => void;
  /** Writes down a call of one of the platform's services. */
  readonly serviceCall: OnServiceCall;
  /** Writes down what was refused before it was a call. */
  refused: OnFailure;
  close(): Promise<void>;
}

/** How long a gateway that ends waits for the last lines, in milliseconds. */
const closeGraceMs = 1_000;

/** Paths of queries, which may also end between the services and the model. */
const queryPaths =
  /^\/(?:(?:query|chat|stream|(?:enhanced|workflow|contextual)-query)\/?$|integrations(?:\/|$))|^\/llmgateway\.v1\.(?:QueryService\/|IntegrationService\/CallIntegration$)/;
/** What the gateway had no room for is too much to write down; what is its fault is in the log; what comes after a call has the call's line. */
const isUnwritten = ({ facts, reason, afterCall }: GatewayError): boolean =>
  afterCall === true ||
  facts.load !== undefined ||
  reason === ErrorReason.DRAINING ||
  reason === ErrorReason.INTERNAL;
/** Of clients that have left before they had asked for anything. */
const leftStatus = 499;
/** As long as what clients name may be. */
const maxName = 256;

/**
 * Null where no calls are written down.
 * @param worker which one of several processes this is: each has a file of its own
 * @throws ConfigError when the file cannot be gone on with
 */
export function createAudit(
  {
    auditPath,
    auditMaxFileBytes,
    auditMaxHeldBytes,
    auditCollector,
    auditCollectorHeld,
    serviceName,
  }: Config,
  worker: number,
  metrics: Metrics | null,
  log: Logger,
): Audit | null {
  if (auditPath === '') return null;
  const client = auditCollector === '' ? null : createUpstreamClient({ connections: 1 });
  const collector =
    client === null
      ? null
      : new Collector({
          url: auditCollector,
          service: serviceName,
          worker,
          client,
          maxHeld: auditCollectorHeld,
          log,
          onLines: (outcome, lines) => metrics?.auditForwarded(outcome, lines),
        });
  const file = pathOfWorker(auditPath, worker);
  let trail: AuditTrail;
  try {
    trail = new AuditTrail({
      file,
      maxFileBytes: auditMaxFileBytes,
      maxHeldBytes: auditMaxHeldBytes,
      log,
      onLines: (outcome, lines) => metrics?.audited(outcome, lines),
      onFailure: () => metrics?.auditFailed(),
      ...(collector === null ? {} : { onLine: (line: string) => collector.add(line) }),
    });
  } catch (error) {
    throw new ConfigError([`AUDIT_LOG_PATH or audit.path: ${file}: ${(error as Error).message}`]);
  }
  /** Errors that have a line. */
  const written = new WeakSet<GatewayError>();
  const write = (entry: AuditEntry): void => trail.write(withoutSecrets(entry));
  return {
    write,
    serviceCall({ kind, context, service, operation, user = '', sensitivity, hasFailed, began }, error) {
      if (error !== null) written.add(error);
      const { requestId, principal, face, named = {} } = context;
      write({
        ts: new Date().toISOString(),
        request_id: requestId,
        ...(named.correlationId === undefined ? {} : { correlation_id: named.correlationId }),
        tenant: principal.tenant,
        principal: principal.id,
        ...(user === '' ? {} : { user: user.slice(0, maxName).toWellFormed() }),
        endpoint: named.route ?? face,
        kind,
        service: service.slice(0, maxName).toWellFormed(),
        operation: operation.slice(0, maxName).toWellFormed(),
        ...sensitivityOf(sensitivity ?? undefined),
        latency_ms: Math.round(performance.now() - began),
        status: error !== null ? error.reasonName : hasFailed === true ? 'tool_failed' : 'success',
      });
    },
    refused(error, { requestId, method, path, principal, correlation }) {
      if (isUnwritten(error) || written.has(error) || !isCall(method, path)) return;
      if (error.status === leftStatus && !queryPaths.test(path)) return;
      write({
        ts: new Date().toISOString(),
        request_id: requestId,
        ...(correlation === undefined ? {} : { correlation_id: correlation }),
        tenant: principal?.tenant ?? '',
        principal: principal?.id ?? '',
        endpoint: path.slice(0, 200),
        ...sensitivityOf(error.sensitivity),
        status: error.reasonName,
      });
    },
    async close() {
      await trail.close(closeGraceMs);
      await collector?.close(closeGraceMs);
      await client?.destroy();
    },
  };
}
