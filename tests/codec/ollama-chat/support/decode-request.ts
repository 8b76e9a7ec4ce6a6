import type { CreateChatCompletionRequest } from '../../../../gen/llmgateway/v1/chat_service_pb.js';
import { type Message, type Part, Role } from '../../../../gen/llmgateway/v1/message_pb.js';
import { dialectName } from '../../../../src/codec/ollama-chat/dialect.ts';
import * as build from '../../../../src/model/build.ts';

// Ollama's request form read back, for the law encode(decode(json)) = json. The gateway has no face of this form.

type Json = Record<string, unknown>;

const extrasOf = (json: Json) =>
  Object.keys(json).length === 0 ? {} : { extras: build.extras(dialectName, JSON.stringify(json)) };

const roles: Readonly<Record<string, Role>> = {
  system: Role.SYSTEM,
  user: Role.USER,
  assistant: Role.ASSISTANT,
  tool: Role.TOOL,
};

export function decodeOllamaRequest(json: Json): { request: CreateChatCompletionRequest; stream: boolean } {
  const { model, messages, tools, stream, format, options, think, logprobs, top_logprobs, ...rest } = json;
  const { temperature, top_p, top_k, num_predict, stop, seed, presence_penalty, frequency_penalty, ...more } =
    (options ?? {}) as Json;
  const parameters = build.parameters();
  const put = (key: string, value: unknown) => {
    if (value !== undefined) (parameters as unknown as Json)[key] = value;
  };
  put('temperature', temperature);
  put('topP', top_p);
  put('topK', top_k);
  put('maxOutputTokens', num_predict);
  put('stop', stop);
  put('seed', seed);
  put('presencePenalty', presence_penalty);
  put('frequencyPenalty', frequency_penalty);
  put('logprobs', logprobs);
  put('topLogprobs', top_logprobs);
  if (format === 'json') {
    put('responseFormat', build.responseFormat({ case: 'jsonObject', value: jsonObject }));
  } else if (typeof format === 'object' && format !== null) {
    const value = build.jsonSchemaFormat('answer', { schemaJson: JSON.stringify(format) });
    put('responseFormat', build.responseFormat({ case: 'jsonSchema', value }));
  }
  const extras = { ...rest, ...(think === undefined ? {} : { think }) } as Json;
  if (Object.keys(more).length > 0) extras['options'] = more;
  const request = build.chatRequest(String(model), (messages as Json[]).map(decodeMessage), {
    tools: ((tools ?? []) as Json[]).map(decodeTool),
    parameters,
    ...extrasOf(extras),
  });
  // Left out, it is true.
  return { request, stream: stream !== false };
}

const jsonObject = { $typeName: 'llmgateway.v1.JsonObjectFormat' as const };

function decodeMessage(json: Json): Message {
  const { role, content, images, thinking, tool_calls, tool_name, tool_call_id, ...rest } = json;
  const said: Part[] = [];
  if (thinking !== undefined) {
    said.push(build.part({ case: 'reasoning', value: build.reasoning(String(thinking)) }));
  }
  for (const image of (images ?? []) as string[]) {
    said.push(
      build.part({ case: 'image', value: build.image({ case: 'url', value: `data:;base64,${image}` }) }),
    );
  }
  if (content !== undefined && content !== '') said.push(build.textPart(String(content)));
  for (const call of (tool_calls ?? []) as {
    id?: string;
    function: { name: string; arguments: Json } & Json;
  }[]) {
    const { name, arguments: args, ...inner } = call.function;
    const value = build.toolCall(call.id ?? '', name, JSON.stringify(args));
    const more = Object.keys(inner).length === 0 ? {} : { function: inner };
    said.push(build.part({ case: 'toolCall', value }, extrasOf(more)));
  }
  if (role !== 'tool') return build.message(roles[String(role)] as Role, said, extrasOf(rest));
  const result = build.toolResult(String(tool_call_id ?? ''), said, { name: String(tool_name ?? '') });
  return build.message(Role.TOOL, [build.part({ case: 'toolResult', value: result })], extrasOf(rest));
}

function decodeTool({ type: _type, function: called, ...rest }: Json) {
  const { name, description, parameters, ...inner } = called as Json;
  const value = build.functionTool(String(name), {
    description: String(description ?? ''),
    parametersJson: parameters === undefined ? '' : JSON.stringify(parameters),
  });
  const more = { ...rest, ...(Object.keys(inner).length === 0 ? {} : { function: inner }) };
  return build.tool({ case: 'function', value }, extrasOf(more));
}
