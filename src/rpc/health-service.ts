import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  type Health,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Status,
} from '../../gen/grpc/health/v1/health_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';

/** Whether the gateway takes calls; tells those who watch when that changes. */
export class Serving {
  #serving = true;
  #watchers = new Set<() => void>();

  get serving(): boolean {
    return this.#serving;
  }

  /** From now on it does not: a drain has begun. */
  stop(): void {
    this.#serving = false;
    for (const watcher of this.#watchers) watcher();
  }

  /** Resolves at the next change, or when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const settle = () => {
        this.#watchers.delete(settle);
        signal.removeEventListener('abort', settle);
        resolve();
      };
      if (signal.aborted) return settle();
      this.#watchers.add(settle);
      signal.addEventListener('abort', settle, { once: true });
    });
  }
}

/** grpc.health.v1.Health for the whole gateway (service "") and each of `services`. */
export function healthService(serving: Serving, services: readonly string[]): ServiceImpl<typeof Health> {
  const known = new Set(['', ...services]);
  const statusOf = (service: string): Status => {
    if (!known.has(service)) return Status.SERVICE_UNKNOWN;
    return serving.serving ? Status.SERVING : Status.NOT_SERVING;
  };
  return {
    check({ service }) {
      const status = statusOf(service);
      if (status === Status.SERVICE_UNKNOWN) {
        throw new GatewayError(
          ErrorReason.NOT_FOUND,
          `there is no service ${JSON.stringify(service.slice(0, 200))}`,
        );
      }
      return create(HealthCheckResponseSchema, { status });
    },
    list() {
      const statuses: Record<string, { status: Status }> = {};
      for (const service of known) statuses[service] = { status: statusOf(service) };
      return { statuses };
    },
    async *watch({ service }, { signal }) {
      let last: Status | null = null;
      while (!signal.aborted) {
        const status = statusOf(service);
        if (status !== last) yield create(HealthCheckResponseSchema, { status });
        last = status;
        await serving.changed(signal);
      }
    },
  };
}
