import { create, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import * as grpc from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Status,
} from '../../gen/grpc/health/v1/health_pb.js';
import type { Request } from '../../src/server/port.ts';
import { afterTest, deferred, openPort } from './support/harness.ts';

const adapter = (serve: Parameters<typeof connectNodeAdapter>[0]['routes']) =>
  connectNodeAdapter({ routes: serve });

const transports: [string, (baseUrl: string) => Transport][] = [
  ['Connect over HTTP/1.1', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1' })],
  ['Connect over HTTP/2', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2' })],
  ['gRPC', (baseUrl) => createGrpcTransport({ baseUrl })],
  ['gRPC-Web over HTTP/1.1', (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' })],
  ['gRPC-Web over HTTP/2', (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '2' })],
];

test.each(transports)('%s: unary calls, streams, errors and cancelling work', async (_, transport) => {
  const cancelled = deferred();
  const { url, port } = await openPort({
    handler: adapter((router) =>
      router.service(Health, {
        check(request) {
          if (request.service === 'unknown') throw new ConnectError('no such service', Code.NotFound);
          return { status: Status.SERVING };
        },
        async *watch(_request, { signal }) {
          signal.addEventListener('abort', () => cancelled.resolve());
          yield { status: Status.NOT_SERVING };
          yield { status: Status.SERVING };
          await cancelled.promise;
        },
      }),
    ),
  });
  const client = createClient(Health, transport(url));
  expect((await client.check({})).status).toBe(Status.SERVING);
  await expect(client.check({ service: 'unknown' })).rejects.toMatchObject({ code: Code.NotFound });
  const seen: Status[] = [];
  const leave = new AbortController();
  const watching = (async () => {
    for await (const { status } of client.watch({}, { signal: leave.signal })) {
      if (seen.push(status) === 2) leave.abort();
    }
  })();
  await expect(watching).rejects.toMatchObject({ code: Code.Canceled });
  expect(seen).toEqual([Status.NOT_SERVING, Status.SERVING]);
  await cancelled.promise;
  await expect.poll(() => port.inFlight).toBe(0);
});

type CheckRequest = MessageShape<typeof HealthCheckRequestSchema>;
type CheckResponse = MessageShape<typeof HealthCheckResponseSchema>;

test('a gRPC client sees its stream end well and new calls UNAVAILABLE during a drain', async () => {
  const finish = deferred();
  const draining = adapter((router) =>
    router.service(Health, {
      check() {
        throw new ConnectError('shutting down', Code.Unavailable);
      },
    }),
  );
  const { port, number } = await openPort({
    handler: adapter((router) =>
      router.service(Health, {
        check: () => ({ status: Status.SERVING }),
        async *watch() {
          yield { status: Status.SERVING };
          await finish.promise;
          yield { status: Status.NOT_SERVING };
        },
      }),
    ),
    onDraining: (req: Request, res) => draining(req, res),
  });
  const client = new grpc.Client(`127.0.0.1:${number}`, grpc.credentials.createInsecure());
  afterTest(() => client.close());
  const encode = (message: CheckRequest) => Buffer.from(toBinary(HealthCheckRequestSchema, message));
  const decode = (bytes: Buffer): CheckResponse => fromBinary(HealthCheckResponseSchema, bytes);
  const request = create(HealthCheckRequestSchema);
  const check = () =>
    new Promise<CheckResponse | undefined>((resolve, reject) => {
      const path = '/grpc.health.v1.Health/Check';
      client.makeUnaryRequest(path, encode, decode, request, (error, response) =>
        error ? reject(error) : resolve(response),
      );
    });
  expect((await check())?.status).toBe(Status.SERVING);

  const watch = client.makeServerStreamRequest('/grpc.health.v1.Health/Watch', encode, decode, request);
  const seen: Status[] = [];
  const begun = deferred();
  const ended = deferred<unknown>();
  watch.on('data', ({ status }: CheckResponse) => {
    seen.push(status);
    begun.resolve();
  });
  watch.on('error', () => {});
  watch.on('status', ({ code }) => ended.resolve(code));
  await begun.promise;

  const drained = port.drain(10_000);
  for (let i = 0; i < 5; i++) await expect(check()).rejects.toMatchObject({ code: grpc.status.UNAVAILABLE });
  finish.resolve();
  expect(await ended.promise).toBe(grpc.status.OK);
  expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING]);
  expect(await drained).toEqual({ destroyed: 0 });
});
