import path from 'node:path';
import {
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fetchImports } from '../../scripts/generate.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';

// A client that is not ours, from the proto files as any other language would use them.
const root = path.resolve(import.meta.dirname, '../..');

interface Stream extends AsyncIterable<Record<string, unknown>> {
  cancel(): void;
}
interface Client {
  createChatCompletion(
    request: object,
    metadata: Metadata,
    done: (
      error: ServiceError | null,
      reply: { choices: { message: { parts: { text: { text: string } }[] } }[] },
    ) => void,
  ): void;
  streamChatCompletion(request: object, metadata?: Metadata, options?: { deadline: number }): Stream;
  check(request: object, done: (error: ServiceError | null, reply: { status: string }) => void): void;
  close(): void;
}

let gateway: RunningGateway;
let client: Client;
let health: Client;
beforeAll(async () => {
  fetchImports();
  gateway = await startGateway();
  const definition = loadSync(['llmgateway/v1/chat_service.proto', 'grpc/health/v1/health.proto'], {
    includeDirs: ['proto', 'third_party', 'build/third_party'].map((folder) => path.join(root, folder)),
    enums: String,
    oneofs: true,
  });
  const loaded = loadPackageDefinition(definition) as unknown as {
    llmgateway: { v1: { ChatService: new (address: string, c: unknown) => Client } };
    grpc: { health: { v1: { Health: new (address: string, c: unknown) => Client } } };
  } & GrpcObject;
  const address = `127.0.0.1:${gateway.port}`;
  client = new loaded.llmgateway.v1.ChatService(address, credentials.createInsecure());
  health = new loaded.grpc.health.v1.Health(address, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  health.close();
  await gateway.stop();
});

const request = (model: string, text: string) => ({
  model,
  messages: [{ role: 'ROLE_USER', parts: [{ text: { text } }] }],
});

describe('@grpc/grpc-js', () => {
  test('unary, with its own request id', async () => {
    const metadata = new Metadata();
    metadata.set('x-request-id', 'my-id-1');
    const text = await new Promise((resolve, reject) =>
      client.createChatCompletion(request('fake/echo', 'Hello'), metadata, (error, reply) =>
        error ? reject(error) : resolve(reply.choices[0]?.message.parts[0]?.text.text),
      ),
    );
    expect(text).toBe('Hello');
    expect(gateway.log.at(-1)).toMatchObject({ request_id: 'my-id-1', face: 'rpc' });
  });

  test('errors with google.rpc details', async () => {
    const error = await new Promise<ServiceError | null>((resolve) =>
      client.createChatCompletion(request('', 'Hello'), new Metadata(), (cause) => resolve(cause)),
    );
    expect(error?.code).toBe(status.INVALID_ARGUMENT);
    const details = error?.metadata.get('grpc-status-details-bin')[0] as Buffer;
    expect(details.toString('latin1')).toContain('google.rpc.BadRequest');
    expect(details.toString('latin1')).toContain('google.rpc.ErrorInfo');
  });

  test('a deadline', async () => {
    const stream = client.streamChatCompletion(request('fake/slow', 'Hello'), new Metadata(), {
      deadline: Date.now() + 150,
    });
    const error = await (async () => {
      for await (const _event of stream);
    })().catch((cause: ServiceError) => cause);
    expect((error as ServiceError).code).toBe(status.DEADLINE_EXCEEDED);
  });

  test('100 streams at once on one connection', async () => {
    const texts = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        let text = '';
        for await (const event of client.streamChatCompletion(
          request('fake/echo?words=20&delay_ms=2', `stream ${i}`),
        )) {
          text += (event['delta'] as { text: string } | undefined)?.text ?? '';
        }
        return text;
      }),
    );
    const expected = Array.from({ length: 100 }, (_, i) =>
      Array.from({ length: 10 }, () => `stream ${i}`).join(' '),
    );
    expect(texts).toEqual(expected);
    expect(gateway.gateway.port.connections.http2).toBe(1);
  });

  test('health', async () => {
    const ask = (service: string) =>
      new Promise((resolve) =>
        health.check({ service }, (error, reply) => resolve(error?.code ?? reply.status)),
      );
    expect(await ask('')).toBe('SERVING');
    expect(await ask('llmgateway.v1.ChatService')).toBe('SERVING');
    expect(await ask('nobody')).toBe(status.NOT_FOUND);
  });
});
