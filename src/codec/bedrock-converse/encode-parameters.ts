import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { GenerationParameters, ResponseFormat } from '../../../gen/llmgateway/v1/generation_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { claudeSampling, type Sampling, temperatureUpTo1 } from '../claude-sampling.ts';
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

/** Parameters as members of the request, each with `,` before it; '' for none. */
export interface EncodedParameters {
  readonly inferenceConfig: string;
  readonly additionalModelRequestFields: string;
  readonly others: string;
}

/**
 * @param forced a tool has to be called
 * @throws GatewayError UNSUPPORTED_PARAMETER for a form of answer that Converse does not have
 */
export function encodeParameters(
  request: CreateChatCompletionRequest,
  extras: ParameterExtras,
  forced: boolean,
  context: EncodeContext,
): EncodedParameters {
  const { parameters: p } = request;
  let inference = '';
  let fields = '';
  let output = '';
  let settings = '';
  if (p !== undefined) {
    const interleaved = extras.additionalModelRequestFields.includes('"interleaved-thinking');
    const thinking = encodeThinking(request, { forced, interleaved }, context);
    const sampling = samplingOf(p, thinking.thinks, context);
    inference = encodeInference(p, sampling);
    fields = thinking.fields;
    const topK = encodeTopK(sampling.topK, context);
    if (topK !== '') fields += fields === '' ? topK : `,${topK}`;
    if (p.responseFormat !== undefined) output = encodeFormat(p.responseFormat, context);
    if (thinking.effort !== '') output = addText(output, 'effort', quote(thinking.effort));
    settings = encodeSettings(p, context);
  }
  return {
    inferenceConfig: encodeObject('inferenceConfig', inference, extras.inferenceConfig),
    additionalModelRequestFields: encodeObject(
      'additionalModelRequestFields',
      fields,
      extras.additionalModelRequestFields,
    ),
    others: encodeObject('outputConfig', output, extras.outputConfig) + settings,
  };
}

/** An object of the request; what is in both is refused, for a key would be there twice. */
function encodeObject(name: string, members: string, more: string): string {
  if (members === '' || more === '') return members === more ? '' : `,"${name}":{${members}${more}}`;
  const own = JSON.parse(`{${members}}`) as Json;
  const twice = Object.keys(JSON.parse(`{${more}}`) as Json).find((key) => Object.hasOwn(own, key));
  if (twice === undefined) return `,"${name}":{${members}${rest(more)}}`;
  throw invalidRequest('extras', `Invalid 'extras': '${name}.${twice}' is given by a parameter as well.`);
}

function samplingOf(p: GenerationParameters, thinks: boolean, context: EncodeContext): Sampling {
  const { claude } = context.traits;
  if (claude !== null) return claudeSampling(p, claude, thinks, context);
  if (p.temperature === undefined) return p;
  return { ...p, temperature: temperatureUpTo1(p.temperature, context) };
}

function encodeInference({ maxOutputTokens, stop }: GenerationParameters, sampling: Sampling): string {
  const { temperature, topP } = sampling;
  let json = '';
  if (maxOutputTokens !== undefined) json = addText(json, 'maxTokens', number(maxOutputTokens));
  if (temperature !== undefined) json = addText(json, 'temperature', number(temperature));
  if (topP !== undefined) json = addText(json, 'topP', number(topP));
  if (stop.length > 0) json = addText(json, 'stopSequences', JSON.stringify(stop));
  return json;
}

/** Not a parameter of Converse, but of some models, each in its own terms. */
function encodeTopK(topK: number | undefined, context: EncodeContext): string {
  if (topK === undefined) return '';
  const [name = '', inner] = context.traits.topK.split('.');
  if (name === '') {
    context.hint('dropped_top_k', 'top_k', 'the model takes none');
    return '';
  }
  return inner === undefined ? `"${name}":${number(topK)}` : `"${name}":{"${inner}":${number(topK)}}`;
}

/** The form of the answer, as members of `outputConfig`. Converse wants the schema as a text. */
function encodeFormat({ kind }: ResponseFormat, context: EncodeContext): string {
  const refuse = (why: string): string => {
    context.refuse('response_format', 'response_format', why);
    return '';
  };
  switch (kind.case) {
    case 'jsonSchema': {
      const { name, description, schemaJson } = kind.value;
      let json = `{"schema":${quote(schemaJson === '' ? '{"type":"object"}' : schemaJson)},"name":${quote(name)}`;
      if (description !== '') json += `,"description":${quote(description)}`;
      return `"textFormat":{"type":"json_schema","structure":{"jsonSchema":${json}}}}`;
    }
    case 'jsonObject':
      return refuse('the provider has no json_object; give a json_schema');
    case 'opaque':
      if (kind.value.dialect === dialectName) return `"textFormat":${kind.value.json}`;
      return refuse(`the provider does not have this form of ${kind.value.dialect}`);
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
    context.hint('dropped_service_tier', 'service_tier', 'the provider does not have this tier');
  }
  return json;
}
