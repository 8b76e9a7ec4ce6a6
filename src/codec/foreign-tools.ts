import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { type Tool, ToolChoice_Mode } from '../../gen/llmgateway/v1/generation_pb.js';
import type { EncodeWarnings } from './encode-warnings.ts';
import { isObject } from './json.ts';

/**
 * The tools that another provider runs and this one does not have. They are left out, which is reported, as long as the model has others
 * to call and does not have to call one of these.
 * @param dialect name of this provider's dialect
 * @param provider its name in messages
 * @throws GatewayError UNSUPPORTED_PARAMETER that names the tool
 */
export function foreignTools(
  { tools, toolChoice }: CreateChatCompletionRequest,
  dialect: string,
  provider: string,
  warnings: EncodeWarnings,
): ReadonlySet<Tool> {
  const foreign = new Set(
    tools.filter(({ kind }) => kind.case === 'hosted' && kind.value.dialect !== dialect),
  );
  const chosen = toolChoice?.mode === ToolChoice_Mode.NAMED ? toolChoice.name : '';
  const needed = foreign.size === tools.length && toolChoice?.mode !== ToolChoice_Mode.NONE;
  for (const [i, tool] of tools.entries()) {
    if (!foreign.has(tool) || tool.kind.case !== 'hosted') continue;
    const at = `tools[${i}]`;
    const why = `${provider} does not have this tool of ${tool.kind.value.dialect}`;
    if (needed || (chosen !== '' && nameOf(tool.kind.value.json) === chosen)) {
      warnings.refuse('tool', at, why);
    } else warnings.hint('dropped_tool', at, why);
  }
  return foreign;
}

function nameOf(json: string): unknown {
  const tool: unknown = JSON.parse(json);
  return isObject(tool) ? tool['name'] : undefined;
}
