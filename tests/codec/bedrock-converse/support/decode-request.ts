import type { CreateChatCompletionRequest } from '../../../../gen/llmgateway/v1/chat_service_pb.js';
import { type Tool, type ToolChoice, ToolChoice_Mode } from '../../../../gen/llmgateway/v1/generation_pb.js';
import { type Message, type Part, Role } from '../../../../gen/llmgateway/v1/message_pb.js';
import { decodeBlock } from '../../../../src/codec/bedrock-converse/decode-block.ts';
import { dialectName } from '../../../../src/codec/bedrock-converse/dialect.ts';
import { toExtras } from '../../../../src/codec/bedrock-converse/extras.ts';
import { modelTraits } from '../../../../src/codec/bedrock-converse/models.ts';
import { addMember, addNested } from '../../../../src/codec/json.ts';
import * as build from '../../../../src/model/build.ts';

// Reads Converse's form of requests, which no client of the gateway speaks: only so that the law can be tested on it.

// biome-ignore lint/suspicious/noExplicitAny: the JSON of a test's own fixtures
type Any = any;

const mediaTypes: Record<string, string> = { pdf: 'application/pdf', txt: 'text/plain', csv: 'text/csv' };

function marker(point: Any) {
  return build.cacheBreakpoint(point.ttl ?? '');
}

function withPoints(blocks: Any[], decode: (block: Any) => Part): Part[] {
  const parts: Part[] = [];
  for (const block of blocks) {
    const last = parts.at(-1);
    if (block.cachePoint && last !== undefined) last.cacheBreakpoint = marker(block.cachePoint);
    else parts.push(decode(block));
  }
  return parts;
}

function decodePart(block: Any, model: string): Part {
  if (block.document?.source.bytes !== undefined) {
    const { format, name, source, ...more } = block.document;
    const data = new Uint8Array(Buffer.from(source.bytes, 'base64'));
    const file = build.file(
      { case: 'data', value: data },
      { mediaType: mediaTypes[format] ?? format, filename: name },
    );
    return extended(build.part({ case: 'file', value: file }), 'document', more);
  }
  if (block.toolResult) {
    const { toolUseId, content, status, ...more } = block.toolResult;
    const parts = content.map((inner: Any) => decodePart(inner, model));
    const result = build.toolResult(toolUseId, parts, { isError: status === 'error' });
    if (status === 'success') more.status = status;
    return extended(build.part({ case: 'toolResult', value: result }), 'toolResult', more);
  }
  return decodeBlock(block, 0, { traits: modelTraits(model), idOf: () => 'none' });
}

function extended(part: Part, kind: string, more: Record<string, unknown>): Part {
  const members = JSON.stringify(more).slice(1, -1);
  if (members !== '') part.extras = toExtras(addNested('', kind, members));
  return part;
}

function decodeTools(list: Any[]): Tool[] {
  const tools: Tool[] = [];
  for (const { toolSpec, cachePoint, ...other } of list) {
    const last = tools.at(-1);
    if (cachePoint && last !== undefined) last.cacheBreakpoint = marker(cachePoint);
    else if (toolSpec) {
      const { name, description = '', inputSchema, strict } = toolSpec;
      const parametersJson = JSON.stringify(inputSchema.json);
      const tool = build.functionTool(name, { description, parametersJson, ...(strict ? { strict } : {}) });
      tools.push(build.tool({ case: 'function', value: tool }));
    } else {
      const [type = ''] = Object.keys(other);
      tools.push(
        build.tool({ case: 'hosted', value: build.opaque(dialectName, type, JSON.stringify(other)) }),
      );
    }
  }
  return tools;
}

function decodeChoice(choice: Any): ToolChoice {
  if (choice.tool) return build.toolChoice(ToolChoice_Mode.NAMED, { name: choice.tool.name });
  return build.toolChoice(choice.any ? ToolChoice_Mode.REQUIRED : ToolChoice_Mode.AUTO);
}

export function decodeConverseRequest(json: Any, model: string): CreateChatCompletionRequest {
  const {
    messages,
    system,
    inferenceConfig = {},
    toolConfig,
    outputConfig = {},
    requestMetadata,
    serviceTier,
    ...rest
  } = json;
  const decoded: Message[] = [];
  if (system)
    decoded.push(
      build.message(
        Role.SYSTEM,
        withPoints(system, (block) => decodePart(block, model)),
      ),
    );
  for (const { role, content } of messages) {
    const parts = withPoints(content, (block) => decodePart(block, model));
    decoded.push(build.message(role === 'assistant' ? Role.ASSISTANT : Role.USER, parts));
  }
  const parameters = build.parameters();
  const { maxTokens, temperature, topP, stopSequences, ...inference } = inferenceConfig;
  if (maxTokens !== undefined) parameters.maxOutputTokens = maxTokens;
  if (temperature !== undefined) parameters.temperature = temperature;
  if (topP !== undefined) parameters.topP = topP;
  if (stopSequences) parameters.stop = stopSequences;
  if (requestMetadata) parameters.metadata = requestMetadata;
  if (serviceTier) parameters.serviceTier = serviceTier.type;
  if (outputConfig.textFormat) {
    const { schema, name, description = '' } = outputConfig.textFormat.structure.jsonSchema;
    const value = build.jsonSchemaFormat(name, { description, schemaJson: schema });
    parameters.responseFormat = build.responseFormat({ case: 'jsonSchema', value });
  }
  const request = build.chatRequest(model, decoded, { parameters });
  if (toolConfig) {
    request.tools = decodeTools(toolConfig.tools);
    if (toolConfig.toolChoice) request.toolChoice = decodeChoice(toolConfig.toolChoice);
  }
  let unknown = '';
  for (const key in rest) unknown = addMember(unknown, key, rest[key]);
  if (Object.keys(inference).length > 0) unknown = addMember(unknown, 'inferenceConfig', inference);
  if (unknown !== '') request.extras = toExtras(unknown);
  return request;
}
