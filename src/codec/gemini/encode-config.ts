import type { GenerationParameters, ResponseFormat } from '../../../gen/llmgateway/v1/generation_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { isObject, number, quote } from '../json.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';
import { encodeResponseSchema } from './encode-schema.ts';
import { Members } from './members.ts';
import { encodeThinking } from './thinking.ts';

/**
 * The `generationConfig` as JSON text; '' when there is nothing in it.
 * @param own members of it in Gemini's own words, which win
 * @throws GatewayError INVALID_REQUEST
 */
export function encodeConfig(
  p: GenerationParameters | undefined,
  context: EncodeContext,
  own: string,
): string {
  const config = new Members();
  const thinking = new Members();
  if (p !== undefined) {
    encodeSampling(p, context, config);
    if (p.responseFormat !== undefined) encodeFormat(p.responseFormat, config);
    encodeModalities(p, config);
    encodeThinking(p, context, thinking);
  }
  config.addAll(own);
  thinking.addAll(config.takeObject('thinkingConfig'));
  if (thinking.size > 0) config.set('thinkingConfig', thinking.toString());
  return config.size === 0 ? '' : config.toString();
}

const maxInt32 = 0x7fff_ffff;

function encodeSampling(p: GenerationParameters, context: EncodeContext, config: Members): void {
  if (p.temperature !== undefined) config.set('temperature', number(p.temperature));
  if (p.topP !== undefined) config.set('topP', number(p.topP));
  if (p.topK !== undefined) config.set('topK', number(p.topK));
  if (p.maxOutputTokens !== undefined) config.set('maxOutputTokens', number(p.maxOutputTokens));
  if (p.n !== undefined && p.n !== 1) config.set('candidateCount', number(p.n));
  if (p.stop.length > 0) config.set('stopSequences', JSON.stringify(p.stop));
  if (p.presencePenalty !== undefined) config.set('presencePenalty', number(p.presencePenalty));
  if (p.frequencyPenalty !== undefined) config.set('frequencyPenalty', number(p.frequencyPenalty));
  if (p.seed !== undefined) {
    if (Number.isInteger(p.seed) && Math.abs(p.seed) <= maxInt32) config.set('seed', number(p.seed));
    else context.warn('dropped_seed', 'parameters.seed', 'Gemini takes seeds of 32 bits only');
  }
  if (p.logprobs !== undefined) config.set('responseLogprobs', String(p.logprobs));
  if (p.topLogprobs !== undefined) config.set('logprobs', number(p.topLogprobs));
}

/** The name of a schema is for its author; Gemini has no place for it. */
function encodeFormat({ kind }: ResponseFormat, config: Members): void {
  switch (kind.case) {
    case 'jsonObject':
      config.set('responseMimeType', '"application/json"');
      return;
    case 'jsonSchema': {
      const { schemaJson, description } = kind.value;
      config.set('responseMimeType', '"application/json"');
      if (schemaJson === '') return;
      config.set('responseJsonSchema', encodeResponseSchema(schemaJson, description, 'response_format'));
      return;
    }
    case 'opaque': {
      const { dialect, json } = kind.value;
      if (dialect !== dialectName) {
        throw invalidRequest(
          'response_format',
          `Invalid 'response_format': a form of ${dialect} has no place in Gemini.`,
        );
      }
      config.addAll(json.trim().slice(1, -1));
      return;
    }
    default:
  }
}

function encodeModalities({ modalities, audioJson }: GenerationParameters, config: Members): void {
  if (modalities.some((modality) => modality !== 'text')) {
    config.set('responseModalities', JSON.stringify(modalities.map((modality) => modality.toUpperCase())));
  }
  if (audioJson === '') return;
  const json: unknown = JSON.parse(audioJson);
  const { voice, format } = isObject(json) ? json : {};
  if (format !== undefined && format !== 'pcm16') {
    throw invalidRequest('audio', "Invalid 'audio.format': Gemini speaks in 'pcm16' only.");
  }
  const name = isObject(voice) ? voice['id'] : voice;
  if (typeof name !== 'string') return;
  config.set('speechConfig', `{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":${quote(name)}}}}`);
}
