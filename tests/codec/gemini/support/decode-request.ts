import type { CreateChatCompletionRequest } from '../../../../gen/llmgateway/v1/chat_service_pb.js';
import { type Tool, type ToolChoice, ToolChoice_Mode } from '../../../../gen/llmgateway/v1/generation_pb.js';
import { type Message, type Part, Role } from '../../../../gen/llmgateway/v1/message_pb.js';
import { isObject, type Json } from '../../../../src/codec/json.ts';
import * as build from '../../../../src/model/build.ts';

// Gemini's requests as the model, only to prove that the encoder says the same again. The gateway has no face of this form.

const dialect = 'google.gemini';
const signature = 'google-gemini-v1';

type Value = ReturnType<typeof JSON.parse>;

export function decodeGeminiRequest(model: string, json: Value): CreateChatCompletionRequest {
  const { contents, systemInstruction, tools, toolConfig, generationConfig, ...rest } = json;
  const messages: Message[] = [];
  for (const part of systemInstruction?.parts ?? []) {
    messages.push(build.message(Role.SYSTEM, [build.textPart(part.text)]));
  }
  for (const content of contents) messages.push(decodeContent(content));
  const { parameters, own } = decodeConfig(generationConfig ?? {});
  const { functionCallingConfig, ...otherConfig } = toolConfig ?? {};
  const extras = {
    ...rest,
    ...(Object.keys(own).length > 0 ? { generationConfig: own } : {}),
    ...(Object.keys(otherConfig).length > 0 ? { toolConfig: otherConfig } : {}),
  };
  return build.chatRequest(model, messages, {
    tools: (tools ?? []).flatMap(decodeTool),
    parameters,
    ...(functionCallingConfig === undefined ? {} : { toolChoice: decodeChoice(functionCallingConfig) }),
    ...(Object.keys(extras).length > 0 ? { extras: build.extras(dialect, JSON.stringify(extras)) } : {}),
  });
}

function decodeContent({ role, parts }: Value): Message {
  const results = parts.some((part: Value) => part.functionResponse !== undefined);
  return build.message(
    role === 'model' ? Role.ASSISTANT : results ? Role.TOOL : Role.USER,
    parts.flatMap(decodePart),
    { multipart: true },
  );
}

function decodePart(json: Value): Part[] {
  const { thoughtSignature, ...rest } = json;
  const state: Part[] =
    thoughtSignature === undefined
      ? []
      : [
          build.part({
            case: 'reasoning',
            value: build.reasoning('', { signature: thoughtSignature, format: signature }),
          }),
        ];
  if (rest.text !== undefined) return [build.textPart(rest.text), ...state];
  if (rest.functionCall !== undefined) {
    const { id = '', name, args } = rest.functionCall;
    const value = build.toolCall(id, name, JSON.stringify(args), { signature: thoughtSignature ?? '' });
    return [build.part({ case: 'toolCall', value })];
  }
  if (rest.functionResponse !== undefined) {
    const { id = '', name, response } = rest.functionResponse;
    const text = typeof response.result === 'string' ? response.result : JSON.stringify(response);
    return [
      build.part({ case: 'toolResult', value: build.toolResult(id, [build.textPart(text)], { name }) }),
    ];
  }
  if (rest.fileData !== undefined) {
    const { fileUri, mimeType } = rest.fileData;
    return [
      build.part({
        case: 'image',
        value: build.image({ case: 'url', value: fileUri }, { mediaType: mimeType }),
      }),
    ];
  }
  return [
    build.part({
      case: 'opaque',
      value: build.opaque(dialect, Object.keys(rest)[0] ?? '', JSON.stringify(json)),
    }),
  ];
}

function decodeTool(json: Value): Tool[] {
  return Object.keys(json).flatMap((key) => {
    if (key !== 'functionDeclarations') {
      const value = build.opaque(dialect, key, JSON.stringify({ [key]: json[key] }));
      return [build.tool({ case: 'hosted', value })];
    }
    return json[key].map(({ name, description = '', parameters }: Value) =>
      build.tool({
        case: 'function',
        value: build.functionTool(name, {
          description,
          parametersJson: JSON.stringify(lowerCased(parameters)),
        }),
      }),
    );
  });
}

/** Types in the case of JSON Schema. */
function lowerCased(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(lowerCased);
  if (!isObject(schema)) return schema;
  const entries = Object.entries(schema).map(([key, value]) => [
    key,
    key === 'type' && typeof value === 'string' ? value.toLowerCase() : lowerCased(value),
  ]);
  return Object.fromEntries(entries);
}

function decodeChoice({ mode, allowedFunctionNames: names }: Value): ToolChoice {
  if (names !== undefined) return build.toolChoice(ToolChoice_Mode.NAMED, { name: names[0] });
  const modes = { AUTO: ToolChoice_Mode.AUTO, NONE: ToolChoice_Mode.NONE, ANY: ToolChoice_Mode.REQUIRED };
  return build.toolChoice(modes[mode as keyof typeof modes]);
}

function decodeConfig(json: Json): { parameters: ReturnType<typeof build.parameters>; own: Json } {
  const parameters = build.parameters();
  const own: Value = {};
  const { responseMimeType, responseJsonSchema, thinkingConfig, ...rest } = json as Value;
  for (const key in rest) {
    if (key === 'maxOutputTokens' || key === 'temperature' || key === 'topP' || key === 'topK')
      parameters[key] = rest[key];
    else if (key === 'stopSequences') parameters.stop = rest[key];
    else own[key] = rest[key];
  }
  if (responseMimeType === 'application/json') {
    const value = build.jsonSchemaFormat('answer', { schemaJson: JSON.stringify(responseJsonSchema) });
    parameters.responseFormat = build.responseFormat({ case: 'jsonSchema', value });
  }
  if (thinkingConfig !== undefined) {
    const { thinkingBudget, includeThoughts, ...more } = thinkingConfig;
    if (thinkingBudget !== undefined) parameters.reasoningBudgetTokens = thinkingBudget;
    // Who asks for reasoning is told of it.
    const asked = thinkingBudget > 0 && includeThoughts === true;
    const kept = { ...more, ...(asked || includeThoughts === undefined ? {} : { includeThoughts }) };
    if (Object.keys(kept).length > 0) own.thinkingConfig = kept;
  }
  return { parameters, own };
}
