import { type DescFile, type DescMessage, type DescService, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code, type ConnectRouter } from '@connectrpc/connect';
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '../../gen/grpc/reflection/v1/reflection_pb.js';
import { ServerReflection as ServerReflectionAlpha } from '../../gen/grpc/reflection/v1alpha/reflection_pb.js';

type Answer = Pick<ServerReflectionResponse, 'messageResponse'>['messageResponse'];
const typed = 'grpc.reflection.v1.';

/**
 * gRPC server reflection, v1 and v1alpha (which differ in name only): lets clients such as grpcurl call the services
 * without their proto files.
 */
export function registerReflection(router: ConnectRouter, services: readonly DescService[]): void {
  const all = [...services, ServerReflection, ServerReflectionAlpha];
  const answer = reflector(all);
  async function* serverReflectionInfo(requests: AsyncIterable<ServerReflectionRequest>) {
    for await (const request of requests) {
      yield { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
    }
  }
  router.service(ServerReflection, { serverReflectionInfo });
  // The two versions have the same members, in packages of different names.
  router.service(ServerReflectionAlpha, { serverReflectionInfo } as never);
}

function reflector(services: readonly DescService[]): (request: ServerReflectionRequest) => Answer {
  const files = new Map<string, DescFile>();
  const symbols = new Map<string, DescFile>();
  const add = (file: DescFile): void => {
    if (files.has(file.proto.name)) return;
    files.set(file.proto.name, file);
    for (const symbol of symbolsOf(file)) symbols.set(symbol, file);
    file.dependencies.forEach(add);
  };
  for (const service of services) add(service.file);

  const list = services.map((service) => ({
    $typeName: `${typed}ServiceResponse` as const,
    name: service.typeName,
  }));
  return ({ messageRequest }) => {
    switch (messageRequest.case) {
      case 'listServices':
        return {
          case: 'listServicesResponse',
          value: { $typeName: `${typed}ListServiceResponse`, service: list },
        };
      case 'fileByFilename':
        return fileAnswer(files.get(messageRequest.value), messageRequest.value);
      case 'fileContainingSymbol':
        return fileAnswer(symbols.get(messageRequest.value.replace(/^\./, '')), messageRequest.value);
      case 'fileContainingExtension': {
        const { containingType, extensionNumber } = messageRequest.value;
        const file = [...files.values()].find((candidate) =>
          extensionsOf(candidate, containingType).includes(extensionNumber),
        );
        return fileAnswer(file, `extension ${extensionNumber} of ${containingType}`);
      }
      case 'allExtensionNumbersOfType': {
        const baseTypeName = messageRequest.value;
        const extensionNumber = [...files.values()].flatMap((file) => extensionsOf(file, baseTypeName));
        return {
          case: 'allExtensionNumbersResponse',
          value: { $typeName: `${typed}ExtensionNumberResponse`, baseTypeName, extensionNumber },
        };
      }
      default:
        return errorAnswer(Code.InvalidArgument, 'the request asks for nothing');
    }
  };
}

const extensionsOf = (file: DescFile, extendee: string): number[] =>
  file.extensions.filter((extension) => extension.extendee.typeName === extendee).map((e) => e.number);

/** Full names of everything that a file defines, methods and nested types included. */
function symbolsOf(file: DescFile): string[] {
  const ofMessage = (message: DescMessage): string[] => [
    message.typeName,
    ...message.nestedEnums.map((nested) => nested.typeName),
    ...message.nestedMessages.flatMap(ofMessage),
  ];
  return [
    ...file.messages.flatMap(ofMessage),
    ...file.enums.map((definition) => definition.typeName),
    ...file.extensions.map((extension) => extension.typeName),
    ...file.services.flatMap((service) => [
      service.typeName,
      ...service.methods.map((method) => `${service.typeName}.${method.name}`),
    ]),
  ];
}

/** The file and all that it imports, so that clients need not ask for each. */
function fileAnswer(file: DescFile | undefined, asked: string): Answer {
  if (file === undefined) return errorAnswer(Code.NotFound, `${asked} is not known`);
  const closure = new Set<DescFile>();
  const visit = (visited: DescFile): void => {
    if (closure.has(visited)) return;
    closure.add(visited);
    visited.dependencies.forEach(visit);
  };
  visit(file);
  const fileDescriptorProto = [...closure].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return {
    case: 'fileDescriptorResponse',
    value: { $typeName: `${typed}FileDescriptorResponse`, fileDescriptorProto },
  };
}

const errorAnswer = (errorCode: number, errorMessage: string): Answer => ({
  case: 'errorResponse',
  value: { $typeName: `${typed}ErrorResponse`, errorCode, errorMessage },
});
