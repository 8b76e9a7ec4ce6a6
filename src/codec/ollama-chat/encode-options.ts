import type { GenerationParameters, ResponseFormat } from '../../../gen/llmgateway/v1/generation_pb.js';
import { describedSchema } from '../answer-schema.ts';
import type { EncodeWarnings } from '../encode-warnings.ts';
import { addMember, addText, number } from '../json.ts';
import { dialectName } from './dialect.ts';

/**
 * The `options` object as members: sampling and limits. Ollama has presence and frequency penalties of its own, in OpenAI's
 * range, so that its older `repeat_penalty` is left to those who ask for it by name.
 * @param given the client's own `options`, such as `num_ctx`; a parameter wins over one of them
 */
export function encodeOptions(
  p: GenerationParameters | undefined,
  given: Readonly<Record<string, unknown>>,
): string {
  let options = '';
  const add = (name: string, value: number | undefined): void => {
    if (value !== undefined) options = addText(options, name, number(value));
  };
  add('temperature', p?.temperature);
  add('top_p', p?.topP);
  add('top_k', p?.topK);
  add('num_predict', p?.maxOutputTokens);
  if (p !== undefined && p.stop.length > 0) options = addText(options, 'stop', JSON.stringify(p.stop));
  add('seed', p?.seed);
  add('presence_penalty', p?.presencePenalty);
  add('frequency_penalty', p?.frequencyPenalty);
  const written = new Set(options === '' ? [] : Object.keys(JSON.parse(`{${options}}`)));
  for (const name in given) {
    if (!written.has(name)) options = addMember(options, name, given[name]);
  }
  return options;
}

/**
 * The `format` as JSON text; '' for plain text.
 * @throws GatewayError UNSUPPORTED_PARAMETER for a form of another dialect
 */
export function encodeFormat(format: ResponseFormat | undefined, warnings: EncodeWarnings): string {
  const kind = format?.kind;
  switch (kind?.case) {
    case 'jsonObject':
      return '"json"';
    case 'jsonSchema':
      return kind.value.schemaJson === '' ? '"json"' : describedSchema(kind.value, warnings);
    case 'opaque':
      if (kind.value.dialect === dialectName) return kind.value.json;
      warnings.refuse(
        'response_format',
        'response_format',
        `Ollama has no form ${JSON.stringify(kind.value.type)}`,
      );
      return '';
    default:
      return '';
  }
}
