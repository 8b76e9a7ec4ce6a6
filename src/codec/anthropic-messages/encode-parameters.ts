import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { GenerationParameters, ResponseFormat } from '../../../gen/llmgateway/v1/generation_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { addMember, addText, isObject, type Json, number, quote } from '../json.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';
import type { Thinking } from './encode-thinking.ts';
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

/** Temperature and what else is about chance, each with `,` before it. Hints that the model cannot take are reported. */
export function encodeSampling(
  p: GenerationParameters,
  { on: thinks }: Thinking,
  context: EncodeContext,
): string {
  const drop = (name: string, why: string) => context.warn(`dropped_${name}`, name, why);
  const whileThinking = 'Anthropic does not take it while the model thinks';
  let json = '';
  const { temperature, topP, topK, stop } = p;
  if (temperature !== undefined) {
    if (thinks && temperature !== 1) drop('temperature', whileThinking);
    else {
      if (temperature > 1)
        context.warn('changed_temperature', 'temperature', 'Anthropic takes 0 to 1; 1 is sent');
      json += `,"temperature":${number(Math.min(temperature, 1))}`;
    }
  }
  if (topP !== undefined) {
    if (thinks && topP < 0.95) drop('top_p', whileThinking);
    else if (json !== '' && !context.model.samplingPair)
      drop('top_p', 'the model does not take it beside temperature');
    else json += `,"top_p":${number(topP)}`;
  }
  if (topK !== undefined) {
    if (thinks) drop('top_k', whileThinking);
    else json += `,"top_k":${number(topK)}`;
  }
  return stop.length > 0 ? `${json},"stop_sequences":${JSON.stringify(stop)}` : json;
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
    context.warn('dropped_service_tier', 'service_tier', 'Anthropic takes auto and standard_only');
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
 * @throws GatewayError INVALID_REQUEST for a form that Anthropic does not have
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
  switch (kind.case) {
    case 'jsonSchema': {
      const { schemaJson } = kind.value;
      if (schemaJson === '') {
        throw invalidRequest(
          'response_format.json_schema.schema',
          "Invalid 'response_format.json_schema.schema': Anthropic needs the schema of the answer.",
        );
      }
      return `{"type":"json_schema","schema":${schemaJson}${members === '' ? '' : `,${members}`}}`;
    }
    case 'jsonObject':
      return refuseFormat('JSON without a schema; use json_schema', context);
    case 'opaque':
      if (kind.value.dialect === dialectName) return kind.value.json;
      return refuseFormat(`the form ${kind.value.type} of ${kind.value.dialect}`, context);
    default:
      return '';
  }
}

function refuseFormat(what: string, context: EncodeContext): string {
  if (!context.dropParams) {
    throw invalidRequest('response_format', `Invalid 'response_format': Anthropic does not give ${what}.`);
  }
  context.warn('dropped_response_format', 'response_format', `Anthropic does not give ${what}`);
  return '';
}
