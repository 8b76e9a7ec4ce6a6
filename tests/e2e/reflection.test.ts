import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import {
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServerReflection } from '../../gen/grpc/reflection/v1/reflection_pb.js';
import { ServerReflection as Alpha } from '../../gen/grpc/reflection/v1alpha/reflection_pb.js';
import { type RunningGateway, startGateway } from '../support/gateway.ts';

let gateway: RunningGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

/** The order that a descriptor set wants; a reply begins with the file that was asked for. */
function importsFirst(files: FileDescriptorProto[]): FileDescriptorProto[] {
  const sorted = new Set<FileDescriptorProto>();
  const add = (file: FileDescriptorProto): void => {
    for (const name of file.dependency)
      add(files.find((other) => other.name === name) as FileDescriptorProto);
    sorted.add(file);
  };
  files.forEach(add);
  return [...sorted];
}

test.each([
  ['v1', ServerReflection],
  ['v1alpha', Alpha as unknown as typeof ServerReflection],
] as const)('%s describes every service completely', async (_version, service) => {
  const client = createClient(service, createGrpcTransport({ baseUrl: gateway.url }));
  const replies = client.serverReflectionInfo(
    (async function* () {
      yield { messageRequest: { case: 'listServices' as const, value: '' } };
      yield { messageRequest: { case: 'fileContainingSymbol' as const, value: 'llmgateway.v1.ChatService' } };
      yield { messageRequest: { case: 'fileByFilename' as const, value: 'no/such.proto' } };
      yield {
        messageRequest: { case: 'allExtensionNumbersOfType' as const, value: 'google.protobuf.FieldOptions' },
      };
    })(),
  );
  const answers = [];
  for await (const reply of replies) answers.push(reply.messageResponse);
  const [list, file, missing, extensions] = answers;
  expect(list?.case === 'listServicesResponse' && list.value.service.map(({ name }) => name)).toEqual([
    'llmgateway.v1.ChatService',
    'llmgateway.v1.ResponsesService',
    'llmgateway.v1.EmbeddingsService',
    'llmgateway.v1.ModelsService',
    'llmgateway.v1.SessionService',
    'llmgateway.v1.ToolService',
    'llmgateway.v1.UsageService',
    'llmgateway.v1.QueryService',
    'llmgateway.v1.IntegrationService',
    'llmgateway.v1.AdminService',
    'grpc.health.v1.Health',
    'grpc.reflection.v1.ServerReflection',
    'grpc.reflection.v1alpha.ServerReflection',
  ]);
  expect(missing).toMatchObject({ case: 'errorResponse', value: { errorCode: 5 } });
  expect(extensions).toMatchObject({
    case: 'allExtensionNumbersResponse',
    value: { extensionNumber: [1159, 1160] },
  });
  if (file?.case !== 'fileDescriptorResponse') throw new Error('no file');
  const files: FileDescriptorProto[] = file.value.fileDescriptorProto.map((bytes) =>
    fromBinary(FileDescriptorProtoSchema, bytes),
  );
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: importsFirst(files) }));
  expect(registry.getService('llmgateway.v1.ChatService')?.methods.map(({ name }) => name)).toEqual([
    'CreateChatCompletion',
    'StreamChatCompletion',
    'CountTokens',
  ]);
});
