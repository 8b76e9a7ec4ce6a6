import type { Config } from './load.ts';

/** Settings that are only read at the start. */
export const needRestart = [
  'host',
  'port',
  'workers',
  'maxBodyBytes',
  'headersTimeoutMs',
  'requestTimeoutMs',
  'keepAliveTimeoutMs',
  'maxConnections',
  'upstreamConnections',
  'reasoningStateBytes',
  'reasoningStateTtlMs',
  'metricsEnabled',
  'tracesEnabled',
  'tracesEndpoint',
  'tracesSampleRatio',
] as const satisfies readonly (keyof Config)[];
