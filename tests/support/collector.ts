import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BinaryReader } from '@bufbuild/protobuf/wire';

type Value = string | number | boolean | readonly Value[];

/** A span as a collector gets it. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** '' for none. */
  readonly parent: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, Value>>;
  readonly events: readonly string[];
  /** Nanoseconds, of each event. */
  readonly eventTimes: readonly bigint[];
  /** 2 for an error. */
  readonly status: number;
  readonly state: string;
  /** Nanoseconds. */
  readonly start: bigint;
  readonly end: bigint;
}

/** A collector of OpenTelemetry on loopback that takes OTLP over HTTP as Protobuf. */
export interface Collector {
  readonly url: string;
  readonly spans: ReceivedSpan[];
  /** Of the last request. */
  headers: IncomingHttpHeaders;
  resource: Record<string, Value>;
  /** What it answers; null: never. */
  status: number | null;
  /** Resolves once there are spans for which this holds. */
  until(holds: (spans: readonly ReceivedSpan[]) => boolean): Promise<readonly ReceivedSpan[]>;
  close(): void;
}

export async function startCollector(): Promise<Collector> {
  const waiting = new Set<() => void>();
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      collector.headers = req.headers;
      if (collector.status === null) return;
      if (collector.status === 200 && req.url === '/v1/traces') readRequest(Buffer.concat(chunks), collector);
      res.writeHead(collector.status, { 'content-type': 'application/x-protobuf' }).end();
      for (const look of waiting) look();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const collector: Collector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: [],
    headers: {},
    resource: {},
    status: 200,
    until: (holds) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!holds(collector.spans)) return;
          waiting.delete(look);
          resolve([...collector.spans]);
        };
        waiting.add(look);
        look();
      }),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return collector;
}

/** Reads the fields of a message: number, and bytes or number. */
function fields(bytes: Uint8Array): [number, Uint8Array | bigint][] {
  const reader = new BinaryReader(bytes);
  const all: [number, Uint8Array | bigint][] = [];
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type === 0) all.push([number, BigInt(reader.uint64())]);
    else if (type === 1) all.push([number, BigInt(reader.fixed64())]);
    else if (type === 5) all.push([number, BigInt(reader.fixed32())]);
    else all.push([number, reader.bytes()]);
  }
  return all;
}

const text = (value: Uint8Array | bigint): string => Buffer.from(value as Uint8Array).toString();
const hex = (value: Uint8Array | bigint): string => Buffer.from(value as Uint8Array).toString('hex');
const every = (bytes: Uint8Array, wanted: number): Uint8Array[] =>
  fields(bytes).flatMap(([number, value]) => (number === wanted ? [value as Uint8Array] : []));

function attributeOf(bytes: Uint8Array): Value {
  for (const [number, value] of fields(bytes)) {
    if (number === 1) return text(value);
    if (number === 2) return value !== 0n;
    if (number === 3) return Number(BigInt.asIntN(64, value as bigint));
    if (number === 4) return new Float64Array(new BigUint64Array([value as bigint]).buffer)[0] as number;
    if (number === 5) return every(value as Uint8Array, 1).map(attributeOf);
  }
  return '';
}

const attributesOf = (bytes: Uint8Array, field: number): Record<string, Value> =>
  Object.fromEntries(
    every(bytes, field).map((pair) => [
      text(every(pair, 1)[0] as Uint8Array),
      attributeOf(every(pair, 2)[0] ?? new Uint8Array()),
    ]),
  );

function readRequest(body: Uint8Array, collector: Collector): void {
  for (const ofResource of every(body, 1)) {
    for (const resource of every(ofResource, 1)) collector.resource = attributesOf(resource, 1);
    for (const scope of every(ofResource, 2)) collector.spans.push(...every(scope, 2).map(spanOf));
  }
}

function spanOf(bytes: Uint8Array): ReceivedSpan {
  const found = new Map(fields(bytes));
  const bytesOf = (number: number): Uint8Array => (found.get(number) ?? new Uint8Array()) as Uint8Array;
  return {
    traceId: hex(bytesOf(1)),
    spanId: hex(bytesOf(2)),
    state: text(bytesOf(3)),
    parent: hex(bytesOf(4)),
    name: text(bytesOf(5)),
    kind: Number(found.get(6) ?? 0n),
    start: (found.get(7) ?? 0n) as bigint,
    end: (found.get(8) ?? 0n) as bigint,
    attributes: attributesOf(bytes, 9),
    events: every(bytes, 11).map((event) => text(every(event, 2)[0] as Uint8Array)),
    eventTimes: every(bytes, 11).map((event) => (new Map(fields(event)).get(1) ?? 0n) as bigint),
    status: Number(new Map(fields(bytesOf(15))).get(3) ?? 0n),
  };
}
