import { type Tool, type ToolChoice, ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import { isObject, quote, rest } from '../json.ts';
import { dialectName } from './dialect.ts';
import { ownMembers } from './extras.ts';

/**
 * One tool as JSON text; '' for a hosted one of another dialect.
 * @param complete say also what is not set, as answers do
 */
export function encodeTool({ kind, extras }: Tool, complete: boolean): string {
  const own = rest(ownMembers(extras));
  switch (kind.case) {
    case 'function': {
      const { name, description, parametersJson, strict } = kind.value;
      let json = `{"type":"function","name":${quote(name)}`;
      if (description !== '' || complete)
        json += `,"description":${description === '' ? 'null' : quote(description)}`;
      if (parametersJson !== '' || complete)
        json += `,"parameters":${parametersJson === '' ? 'null' : parametersJson}`;
      if (strict !== undefined || complete) json += `,"strict":${strict ?? 'null'}`;
      return `${json}${own}}`;
    }
    case 'custom': {
      const { name, description, formatJson } = kind.value;
      let json = `{"type":"custom","name":${quote(name)}`;
      if (description !== '') json += `,"description":${quote(description)}`;
      if (formatJson !== '' || complete)
        json += `,"format":${formatJson === '' ? '{"type":"text"}' : flatFormat(formatJson)}`;
      return `${json}${own}}`;
    }
    case 'hosted':
      return kind.value.dialect === dialectName ? kind.value.json : '';
    default:
      return '';
  }
}

/** The chat API nests a grammar, this one does not. */
function flatFormat(formatJson: string): string {
  if (!formatJson.includes('"grammar"')) return formatJson;
  const format: unknown = JSON.parse(formatJson);
  const grammar = isObject(format) ? format['grammar'] : undefined;
  if (!isObject(format) || !isObject(grammar)) return formatJson;
  const { grammar: _, ...others } = format;
  return JSON.stringify({ ...others, ...grammar });
}

/** The tool choice as JSON text. */
export function encodeToolChoice(choice: ToolChoice): string {
  switch (choice.mode) {
    case ToolChoice_Mode.NONE:
      return '"none"';
    case ToolChoice_Mode.REQUIRED:
      return '"required"';
    case ToolChoice_Mode.NAMED:
      return `{"type":"${choice.custom ? 'custom' : 'function'}","name":${quote(choice.name)}}`;
    case ToolChoice_Mode.ALLOWED: {
      const mode = choice.allowedRequired ? 'required' : 'auto';
      return `{"type":"allowed_tools","mode":"${mode}","tools":${flatTools(choice.allowedJson)}}`;
    }
    default:
      return '"auto"';
  }
}

/** Tools named as the chat API has it, as this one does: the name beside the type. */
function flatTools(allowedJson: string): string {
  const list: unknown = allowedJson === '' ? [] : JSON.parse(allowedJson);
  if (!Array.isArray(list)) return '[]';
  return JSON.stringify(
    list.map((tool: unknown) => {
      if (!isObject(tool)) return tool;
      const { type, ...others } = tool;
      const { [String(type)]: named, ...more } = others;
      return isObject(named) ? { type, ...named, ...more } : tool;
    }),
  );
}
