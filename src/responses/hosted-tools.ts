import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { type Tool, type ToolChoice, ToolChoice_Mode } from '../../gen/llmgateway/v1/generation_pb.js';
import { isObject } from '../codec/json.ts';
import { dialectName } from '../codec/openai-responses/dialect.ts';
import * as build from '../model/build.ts';

/** The type of a tool that OpenAI runs itself; '' for any other. */
export const hostedType = ({ kind }: Tool): string =>
  kind.case === 'hosted' && kind.value.dialect === dialectName ? kind.value.type : '';

/** A type without what versions add to it: `web_search_preview_2025_03_11` is a `web_search`. */
export const plainType = (type: string): string =>
  type.replace(/_\d{4}_\d{2}_\d{2}$/, '').replace(/_preview$/, '');

/**
 * The request with the choice of a hosted tool as one of the tool that stands for it.
 * @param nameOf name of the tool that stands for a type; '' for none
 * @param enabled those that are there, by name
 */
export function withChoice(
  request: CreateChatCompletionRequest,
  nameOf: (type: string) => string,
  enabled: ReadonlyMap<string, unknown>,
): CreateChatCompletionRequest {
  const { toolChoice, extras } = request;
  if (toolChoice?.mode === ToolChoice_Mode.ALLOWED)
    return { ...request, toolChoice: allowed(toolChoice, nameOf) };
  if (extras?.dialect !== dialectName || !extras.json.includes('"tool_choice"')) return request;
  const { tool_choice: choice, ...others } = JSON.parse(extras.json) as Record<string, unknown>;
  const name = isObject(choice) ? nameOf(String(choice['type'])) : '';
  if (name === '' || !enabled.has(name)) return request;
  const { extras: _, ...rest } = request;
  return {
    ...rest,
    toolChoice: build.toolChoice(ToolChoice_Mode.NAMED, { name }),
    ...(Object.keys(others).length === 0
      ? {}
      : { extras: build.extras(dialectName, JSON.stringify(others)) }),
  };
}

function allowed(choice: ToolChoice, nameOf: (type: string) => string): ToolChoice {
  const list: unknown = JSON.parse(choice.allowedJson === '' ? '[]' : choice.allowedJson);
  if (!Array.isArray(list)) return choice;
  const replaced = list.map((item: unknown) => {
    const name = isObject(item) && typeof item['type'] === 'string' ? nameOf(item['type']) : '';
    return name === '' ? item : { type: 'function', function: { name } };
  });
  return { ...choice, allowedJson: JSON.stringify(replaced) };
}
