import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { GenerationParameters, ResponseFormat } from '../../../gen/llmgateway/v1/generation_pb.js';
import { describedSchema } from '../answer-schema.ts';
import { claudeSampling } from '../claude-sampling.ts';
import type { ClaudeThinking } from '../claude-thinking.ts';
import { addMember, addText, isObject, type Json, number, quote, rest } from '../json.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';
import { type OwnMembers, textOf } from './own-members.ts';

/** Limit of an answer that is sent where none is asked for: Anthropic requires one. */
const defaultLimit = 4_096;

/**
 * Most tokens of the answer, thinking included.
 * @param known what the model can give; undefined when that is not known
 * @param budget what thinking may take of it
 */
export function limitOf(
  parameters: GenerationParameters | undefined,
  known: number | undefined,
  budget: number,
): number {
  const { maxOutputTokens } = parameters ?? {};
  if (maxOutputTokens !== undefined) return maxOutputTokens;
  if (known !== undefined && known > budget) return known;
  return Math.max(known ?? 0, budget + defaultLimit);
}

/** Temperature and what else is about chance, each with `,` before it. */
export function encodeSampling(
  p: GenerationParameters,
  { on: thinks }: ClaudeThinking,
  context: EncodeContext,
): string {
  const { temperature, topP, topK } = claudeSampling(p, context.model, thinks, context);
  let json = temperature === undefined ? '' : `,"temperature":${number(temperature)}`;
  if (topP !== undefined) json += `,"top_p":${number(topP)}`;
  if (topK !== undefined) json += `,"top_k":${number(topK)}`;
  return p.stop.length > 0 ? `${json},"stop_sequences":${JSON.stringify(p.stop)}` : json;
}

/** Who asks and how urgently, each with `,` before it. */
export function encodeSettings(
  p: GenerationParameters | undefined,
  own: OwnMembers,
  context: EncodeContext,
): string {
  let json = '';
  const metadata = own.takeObject('metadata');
  const user = p === undefined ? '' : p.safetyIdentifier || p.user;
  const members = metadata === undefined ? '' : textOf(metadata);
  const id =
    user === '' || Object.hasOwn(metadata ?? {}, 'user_id') ? members : addMember(members, 'user_id', user);
  if (id !== '' || metadata !== undefined) json += `,"metadata":{${id}}`;
  const tier = p?.serviceTier ?? '';
  const word = tiers.get(tier);
  if (word !== undefined) json += `,"service_tier":${quote(word)}`;
  else if (tier !== '')
    context.hint('dropped_service_tier', 'service_tier', 'Anthropic takes auto and standard_only');
  return json;
}

/** OpenAI's words for tiers, and Anthropic's own. `auto` is the priority tier where the account has one. */
const tiers: ReadonlyMap<string, string> = new Map([
  ['auto', 'auto'],
  ['priority', 'auto'],
  ['default', 'standard_only'],
  ['standard_only', 'standard_only'],
]);

/**
 * Members of `output_config`: the answer's form, how much effort it is worth, and what else the client wrote there.
 * @throws GatewayError UNSUPPORTED_PARAMETER for a form that Anthropic does not have
 */
export function encodeOutputConfig(
  request: CreateChatCompletionRequest,
  config: Json | undefined,
  olderPlace: boolean,
  effort: string,
  context: EncodeContext,
): string {
  const { format: ownFormat, ...others } = config ?? {};
  let members = textOf(others);
  if (effort !== '' && !Object.hasOwn(others, 'effort')) members = addText(members, 'effort', quote(effort));
  const format = request.parameters?.responseFormat;
  if (format === undefined)
    return ownFormat === undefined ? members : addMember(members, 'format', ownFormat);
  // The client wrote it in its older place, where it goes again.
  if (olderPlace) return members;
  const json = encodeFormat(format, isObject(ownFormat) ? textOf(ownFormat) : '', context);
  return json === '' ? members : addText(members, 'format', json);
}

function encodeFormat({ kind }: ResponseFormat, members: string, context: EncodeContext): string {
  const refuse = (what: string, field = 'response_format'): string => {
    context.refuse('response_format', field, `Anthropic does not give ${what}`);
    return '';
  };
  switch (kind.case) {
    case 'jsonSchema': {
      const withoutSchema = 'JSON without a schema';
      if (kind.value.schemaJson === '') return refuse(withoutSchema, 'response_format.json_schema.schema');
      return `{"type":"json_schema","schema":${describedSchema(kind.value, context)}${rest(members)}}`;
    }
    case 'jsonObject':
      return refuse('JSON without a schema; use json_schema');
    case 'opaque':
      if (kind.value.dialect === dialectName) return kind.value.json;
      return refuse(`the form ${kind.value.type} of ${kind.value.dialect}`);
    default:
      return '';
  }
}
