import type { GenerationParameters } from '../../gen/llmgateway/v1/generation_pb.js';
import type { ClaudeModel } from './claude-model.ts';
import type { EncodeWarnings } from './encode-warnings.ts';

/** What of chance a model is told. */
export interface Sampling {
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
}

/**
 * Temperature and what else is about chance, as far as Claude takes it on any host: while it thinks only the usual temperature and
 * almost all of the probabilities. These are hints: what is left out or changed is reported.
 * @param thinks whether it is asked to think
 */
export function claudeSampling(
  { temperature, topP, topK }: GenerationParameters,
  model: ClaudeModel,
  thinks: boolean,
  warnings: EncodeWarnings,
): Sampling {
  const taken: { -readonly [Key in keyof Sampling]: Sampling[Key] } = {};
  const drop = (name: string, why: string) => warnings.hint(`dropped_${name}`, name, why);
  const whileThinking = 'Claude does not take it while it thinks';
  if (temperature !== undefined) {
    if (thinks && temperature !== 1) drop('temperature', whileThinking);
    else taken.temperature = temperatureUpTo1(temperature, warnings);
  }
  if (topP !== undefined) {
    if (thinks && topP < 0.95) drop('top_p', whileThinking);
    else if (taken.temperature !== undefined && !model.samplingPair)
      drop('top_p', 'the model does not take it beside temperature');
    else taken.topP = topP;
  }
  if (topK !== undefined) {
    if (thinks) drop('top_k', whileThinking);
    else taken.topK = topK;
  }
  return taken;
}

/** OpenAI's temperatures go up to 2, those of Anthropic and Bedrock up to 1. */
export function temperatureUpTo1(temperature: number, warnings: EncodeWarnings): number {
  if (temperature <= 1) return temperature;
  warnings.hint('changed_temperature', 'temperature', 'the provider takes 0 to 1; 1 is sent');
  return 1;
}
