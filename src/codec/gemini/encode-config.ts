import type { GenerationParameters, ResponseFormat } from '../../../gen/llmgateway/v1/generation_pb.js';
import { describedSchema } from '../answer-schema.ts';
import { isObject, number, quote } from '../json.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';
import { encodeResponseSchema } from './encode-schema.ts';
import { Members } from './members.ts';
import { encodeThinking } from './thinking.ts';

/**
 * The `generationConfig` as JSON text; '' when there is nothing in it.
 * @param own members of it in Gemini's own words, which win
 * @throws GatewayError INVALID_REQUEST, or UNSUPPORTED_PARAMETER for what Gemini does not have
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
    if (p.responseFormat !== undefined) encodeFormat(p.responseFormat, context, config);
    encodeModalities(p, context, config);
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
    else context.hint('dropped_seed', 'parameters.seed', 'Gemini takes seeds of 32 bits only');
  }
  if (p.logprobs !== undefined) config.set('responseLogprobs', String(p.logprobs));
  if (p.topLogprobs !== undefined) config.set('logprobs', number(p.topLogprobs));
}

function encodeFormat({ kind }: ResponseFormat, context: EncodeContext, config: Members): void {
  switch (kind.case) {
    case 'jsonObject':
      config.set('responseMimeType', '"application/json"');
      return;
    case 'jsonSchema': {
      config.set('responseMimeType', '"application/json"');
      if (kind.value.schemaJson === '') return;
      const schema = encodeResponseSchema(kind.value.schemaJson, 'response_format');
      config.set('responseJsonSchema', describedSchema(kind.value, context, schema));
      return;
    }
    case 'opaque': {
      const { dialect, json } = kind.value;
      if (dialect !== dialectName) {
        const why = `a form of ${dialect} has no place in Gemini`;
        context.refuse('response_format', 'response_format', why);
      } else config.addAll(json.trim().slice(1, -1));
      return;
    }
    default:
  }
}

function encodeModalities(
  { modalities, audioJson }: GenerationParameters,
  context: EncodeContext,
  config: Members,
): void {
  if (modalities.some((modality) => modality !== 'text')) {
    config.set('responseModalities', JSON.stringify(modalities.map((modality) => modality.toUpperCase())));
  }
  if (audioJson === '') return;
  const json: unknown = JSON.parse(audioJson);
  const { voice, format } = isObject(json) ? json : {};
  if (format !== undefined && format !== 'pcm16') {
    context.refuse('audio_format', 'audio.format', "Gemini speaks in 'pcm16' only");
  }
  const name = isObject(voice) ? voice['id'] : voice;
  if (typeof name !== 'string') return;
  config.set('speechConfig', `{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":${quote(name)}}}}`);
}
