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

  /** Resolves at the next change, when `signal` aborts, or after `maxMs`. */
  changed(signal: AbortSignal, maxMs: number): Promise<void> {
    return new Promise((resolve) => {
      const settle = () => {
        clearTimeout(timer);
        this.#watchers.delete(settle);
        signal.removeEventListener('abort', settle);
        resolve();
      };
      const timer = setTimeout(settle, maxMs).unref();
      if (signal.aborted) return settle();
      this.#watchers.add(settle);
      signal.addEventListener('abort', settle, { once: true });
    });
  }
}

/** How often those who watch are looked up anew, in milliseconds. */
const watchMs = 2_000;

/**
 * grpc.health.v1.Health for the whole gateway (service "") and each of `services`.
 * @param isReady whether calls may come; its results may be some time old
 */
export function healthService(
  serving: Serving,
  services: readonly string[],
  isReady: () => Promise<boolean>,
): ServiceImpl<typeof Health> {
  const known = new Set(['', ...services]);
  const statusOf = async (service: string): Promise<Status> => {
    if (!known.has(service)) return Status.SERVICE_UNKNOWN;
    return serving.serving && (await isReady()) && serving.serving ? Status.SERVING : Status.NOT_SERVING;
  };
  return {
    async check({ service }) {
      const status = await statusOf(service);
      if (status === Status.SERVICE_UNKNOWN) {
        throw new GatewayError(
          ErrorReason.NOT_FOUND,
          `there is no service ${JSON.stringify(service.slice(0, 200))}`,
        );
      }
      return create(HealthCheckResponseSchema, { status });
    },
    async list() {
      const status = await statusOf('');
      return { statuses: Object.fromEntries([...known].map((service) => [service, { status }])) };
    },
    async *watch({ service }, { signal }) {
      let last: Status | null = null;
      while (!signal.aborted) {
        const status = await statusOf(service);
        if (status !== last) yield create(HealthCheckResponseSchema, { status });
        last = status;
        await serving.changed(signal, watchMs);
      }
    },
  };
}
