import type { GenerationParameters, ResponseFormat } from '../../../gen/llmgateway/v1/generation_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { addText, type Json, number, quote, rest } from '../json.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';
import { encodeThinking } from './encode-thinking.ts';

/** Members of extras that belong into objects of the request, by the object. */
export interface ParameterExtras {
  readonly inferenceConfig: string;
  readonly additionalModelRequestFields: string;
  readonly outputConfig: string;
}

/**
 * The parameters as members of the request, each with `,` before it.
 * @param forced a tool has to be called
 * @throws GatewayError INVALID_REQUEST for a form of answer that Converse does not have
 */
export function encodeParameters(
  p: GenerationParameters | undefined,
  extras: ParameterExtras,
  forced: boolean,
  context: EncodeContext,
): string {
  let inference = '';
  let fields = '';
  let output = '';
  let json = '';
  if (p !== undefined) {
    const thinking = encodeThinking(p, forced, context);
    inference = encodeInference(p, thinking.thinks, context);
    fields = thinking.fields;
    const topK = encodeTopK(p.topK, thinking.thinks, context);
    if (topK !== '') fields += fields === '' ? topK : `,${topK}`;
    if (p.responseFormat !== undefined) output = encodeFormat(p.responseFormat);
    if (thinking.effort !== '') output = addText(output, 'effort', quote(thinking.effort));
    json = encodeSettings(p, context);
  }
  return (
    encodeObject('inferenceConfig', inference, extras.inferenceConfig) +
    encodeObject('additionalModelRequestFields', fields, extras.additionalModelRequestFields) +
    encodeObject('outputConfig', output, extras.outputConfig) +
    json
  );
}

/** An object of the request; what is in both is refused, for a key would be there twice. */
function encodeObject(name: string, members: string, more: string): string {
  if (members === '' || more === '') return members === more ? '' : `,"${name}":{${members}${more}}`;
  const own = JSON.parse(`{${members}}`) as Json;
  const twice = Object.keys(JSON.parse(`{${more}}`) as Json).find((key) => Object.hasOwn(own, key));
  if (twice === undefined) return `,"${name}":{${members}${rest(more)}}`;
  throw invalidRequest('extras', `Invalid 'extras': '${name}.${twice}' is given by a parameter as well.`);
}

function encodeInference(p: GenerationParameters, thinks: boolean, context: EncodeContext): string {
  let json = '';
  if (p.maxOutputTokens !== undefined) json = addText(json, 'maxTokens', number(p.maxOutputTokens));
  // Claude that thinks takes temperature 1 only, and top_p from 0.95.
  if (p.temperature !== undefined) {
    if (!thinks || p.temperature === 1) json = addText(json, 'temperature', number(p.temperature));
    else context.warn('dropped_temperature', 'temperature', 'the model takes none when it thinks');
  }
  if (p.topP !== undefined) {
    if (thinks && p.topP < 0.95) {
      context.warn('dropped_top_p', 'top_p', 'the model takes 0.95 and more when it thinks');
    } else if (json.includes('"temperature"') && context.traits.claude?.samplingPair === false) {
      context.warn('dropped_top_p', 'top_p', 'the model does not take it beside temperature');
    } else json = addText(json, 'topP', number(p.topP));
  }
  if (p.stop.length > 0) json = addText(json, 'stopSequences', JSON.stringify(p.stop));
  return json;
}

/** Not a parameter of Converse, but of some models, each in its own terms. */
function encodeTopK(topK: number | undefined, thinks: boolean, context: EncodeContext): string {
  if (topK === undefined) return '';
  switch (context.traits.vendor) {
    case 'anthropic':
      if (!thinks) return `"top_k":${number(topK)}`;
      context.warn('dropped_top_k', 'top_k', 'the model takes none when it thinks');
      return '';
    case 'mistral':
      return `"top_k":${number(topK)}`;
    case 'cohere':
      return `"k":${number(topK)}`;
    case 'nova':
      return `"inferenceConfig":{"topK":${number(topK)}}`;
    default:
      context.warn('dropped_top_k', 'top_k', 'the model takes none');
      return '';
  }
}

/** The form of the answer, as members of `outputConfig`. Converse wants the schema as a text. */
function encodeFormat({ kind }: ResponseFormat): string {
  switch (kind.case) {
    case 'jsonSchema': {
      const { name, description, schemaJson } = kind.value;
      let json = `{"schema":${quote(schemaJson === '' ? '{"type":"object"}' : schemaJson)},"name":${quote(name)}`;
      if (description !== '') json += `,"description":${quote(description)}`;
      return `"textFormat":{"type":"json_schema","structure":{"jsonSchema":${json}}}}`;
    }
    case 'jsonObject':
      throw invalidRequest(
        'response_format',
        "Invalid 'response_format': the provider has no json_object; give a json_schema",
      );
    case 'opaque':
      if (kind.value.dialect === dialectName) return `"textFormat":${kind.value.json}`;
      throw invalidRequest(
        'response_format',
        `Invalid 'response_format': the provider does not have this form of ${kind.value.dialect}`,
      );
    default:
      return '';
  }
}

/** Tiers that Bedrock has; `auto` is to say nothing. */
const tiers: ReadonlySet<string> = new Set(['default', 'flex', 'priority', 'reserved']);

function encodeSettings(p: GenerationParameters, context: EncodeContext): string {
  let json = '';
  for (const _ in p.metadata) {
    json += `,"requestMetadata":${JSON.stringify(p.metadata)}`;
    break;
  }
  if (tiers.has(p.serviceTier)) json += `,"serviceTier":{"type":"${p.serviceTier}"}`;
  else if (p.serviceTier !== '' && p.serviceTier !== 'auto') {
    context.warn('dropped_service_tier', 'service_tier', 'the provider does not have this tier');
  }
  return json;
}
