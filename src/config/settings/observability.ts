import { Secret } from '../secret.ts';
import { alsoAs, atStart, setting } from '../setting.ts';
import { address, flag, fraction, text, type ValueReader, Wrong } from '../values.ts';

const secret: ValueReader<Secret> = (raw) => {
  const wrong = new Wrong('text of 8 to 512 characters without blanks');
  return typeof raw === 'string' && /^[\x21-\x7e]{8,512}$/.test(raw) ? new Secret(raw) : wrong;
};

/** `name=value` pairs with commas between them, percent-encoded as OpenTelemetry has it. */
const headerPairs: ValueReader<Readonly<Record<string, Secret>>> = (raw) => {
  const wrong = new Wrong('pairs name=value with commas between them');
  const given = text(raw);
  if (given instanceof Wrong) return wrong;
  const pairs = given.split(',').map((pair) => /^\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*(.*?)\s*$/.exec(pair));
  try {
    const entries = pairs.map((pair) => {
      const [, name, value] = pair as RegExpExecArray;
      const plain = decodeURIComponent(value as string);
      if (!/^[\x20-\x7e]+$/.test(plain)) throw wrong;
      return [(name as string).toLowerCase(), new Secret(plain)] as const;
    });
    return Object.fromEntries(entries);
  } catch {
    return wrong;
  }
};

/** Metrics and traces. */
export const observabilitySettings = {
  metricsEnabled: atStart(
    setting('metrics.enabled', 'METRICS_ENABLED', flag, true as boolean, 'Whether `GET /metrics` is served'),
  ),
  metricsToken: {
    ...setting(
      'metrics.token',
      'METRICS_TOKEN',
      secret,
      null as Secret | null,
      'Bearer token that `GET /metrics` asks for, and for nothing else; without one see `auth.metrics_open`',
    ),
    secret: true,
  },
  tracesEnabled: atStart(
    setting(
      'traces.enabled',
      'TRACING_ENABLED',
      flag,
      true as boolean,
      'Whether traces are sent, where an address is set',
    ),
  ),
  tracesEndpoint: atStart(
    alsoAs(
      setting(
        'traces.endpoint',
        'OTLP_ENDPOINT',
        address,
        '',
        'Collector that takes OTLP over HTTP, as Protobuf, at `/v1/traces` below this address; without it no traces are made',
      ),
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'OTLP_ENDPOINT',
    ),
  ),
  tracesHeaders: atStart({
    ...alsoAs(
      setting(
        'traces.headers',
        'OTLP_HEADERS',
        headerPairs,
        {} as Readonly<Record<string, Secret>>,
        'Headers for the collector',
        '',
      ),
      'OTEL_EXPORTER_OTLP_HEADERS',
    ),
    secret: true,
  }),
  tracesSampleRatio: atStart(
    setting(
      'traces.sample_ratio',
      'TRACES_SAMPLE_RATIO',
      fraction(0, 1),
      1,
      'Share of the traces begun here that are recorded; those begun by clients are where the client says so',
    ),
  ),
  tracesContent: setting(
    'traces.content',
    'TRACES_CONTENT',
    flag,
    false as boolean,
    'Whether spans have what was asked and answered, cut short and masked',
  ),
  tracesPropagate: setting(
    'traces.propagate',
    'TRACES_PROPAGATE',
    flag,
    true as boolean,
    'Whether providers are told the trace (`traceparent`, `tracestate`)',
  ),
} as const;
