import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { type Tool, type ToolChoice, ToolChoice_Mode } from '../../gen/llmgateway/v1/generation_pb.js';
import type { EncodeWarnings } from './encode-warnings.ts';
import { foreignTools } from './foreign-tools.ts';
import { isObject } from './json.ts';

/** Whether some tool has to be called. */
export const isForced = (choice: ToolChoice | undefined): boolean =>
  choice !== undefined &&
  (choice.mode === ToolChoice_Mode.REQUIRED ||
    choice.mode === ToolChoice_Mode.NAMED ||
    (choice.mode === ToolChoice_Mode.ALLOWED && choice.allowedRequired));

/**
 * Names in OpenAI's list of allowed tools; null where the choice has no such list.
 * @throws GatewayError UNSUPPORTED_PARAMETER for a tool without a name, which a provider runs itself
 */
export function allowedNames(
  choice: ToolChoice | undefined,
  warnings: EncodeWarnings,
): ReadonlySet<string> | null {
  if (choice?.mode !== ToolChoice_Mode.ALLOWED) return null;
  const names = new Set<string>();
  for (const item of listOf(choice)) {
    const name = allowedName(item);
    if (name !== undefined) names.add(name);
    else warnings.refuse('allowed_tool', 'tool_choice', 'only tools with a name can be allowed ones');
  }
  return names;
}

function listOf({ allowedJson }: ToolChoice): unknown[] {
  const list: unknown = allowedJson === '' ? [] : JSON.parse(allowedJson);
  return Array.isArray(list) ? list : [];
}

/** `{type, function: {name}}`, or flat as OpenAI's newer API has it. */
function allowedName(item: unknown): string | undefined {
  if (!isObject(item)) return undefined;
  const { function: called, type } = item;
  const inner = called ?? (typeof type === 'string' ? item[type] : undefined);
  const name = isObject(inner) ? inner['name'] : item['name'];
  return typeof name === 'string' ? name : undefined;
}

/** A tool, and its place in the request. */
export interface PlacedTool {
  readonly tool: Tool;
  readonly at: string;
}

/** The tools that are sent, and the choice among them. */
export interface TakenTools {
  readonly tools: readonly PlacedTool[];
  readonly choice: ToolChoice | undefined;
}

/** Who is to take the tools. */
export interface ToolTarget {
  /** Name of its dialect. */
  readonly dialect: string;
  /** Its name in messages. */
  readonly provider: string;
  /** It takes tools with free text as input. */
  readonly customTools?: boolean;
}

/**
 * The tools that a provider takes. Those of others are left out as long as the model has more to call; a tool that is needed is refused
 * or, where the client wants that, left out, and what is said of it in the choice with it.
 * @param allowed names of those that may be called: where the provider has no list of them, the others are not sent; null for all
 * @throws GatewayError UNSUPPORTED_PARAMETER
 */
export function takeTools(
  request: CreateChatCompletionRequest,
  allowed: ReadonlySet<string> | null,
  { dialect, provider, customTools = false }: ToolTarget,
  warnings: EncodeWarnings,
): TakenTools {
  const { tools, toolChoice } = request;
  const foreign = foreignTools(request, dialect, provider, warnings);
  const taken: PlacedTool[] = [];
  const dropped = new Set([...foreign].map(nameOf));
  for (let i = 0; i < tools.length; i++) {
    const tool = tools[i] as Tool;
    if (foreign.has(tool) || (allowed !== null && !allowed.has(nameOf(tool)))) continue;
    const at = `tools[${i}]`;
    if (customTools || tool.kind.case !== 'custom') taken.push({ tool, at });
    else {
      warnings.refuse('tool', at, `${provider} takes no tools with free text as input`);
      dropped.add(nameOf(tool));
    }
  }
  if (dropped.size === 0 || toolChoice === undefined) return { tools: taken, choice: toolChoice };
  const choice = taken.length === 0 ? undefined : choiceWithout(toolChoice, dropped);
  if (choice === undefined) {
    warnings.warn('dropped_tool_choice', 'tool_choice', 'what it is about was left out');
  }
  return { tools: taken, choice };
}

/** @returns undefined when nothing is left to choose */
function choiceWithout(choice: ToolChoice, dropped: ReadonlySet<string>): ToolChoice | undefined {
  if (choice.mode === ToolChoice_Mode.NAMED) return dropped.has(choice.name) ? undefined : choice;
  if (choice.mode !== ToolChoice_Mode.ALLOWED) return choice;
  const left = listOf(choice).filter((item) => !dropped.has(allowedName(item) ?? ''));
  return left.length === 0 ? undefined : { ...choice, allowedJson: JSON.stringify(left) };
}

/** '' for a tool without a name. */
function nameOf({ kind }: Tool): string {
  if (kind.case === 'function' || kind.case === 'custom') return kind.value.name;
  if (kind.case !== 'hosted') return '';
  const json: unknown = JSON.parse(kind.value.json);
  return isObject(json) && typeof json['name'] === 'string' ? json['name'] : '';
}
