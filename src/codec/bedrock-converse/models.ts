import { type ClaudeModel, claudeModel, unsupportedByClaude } from '../claude-model.ts';

/** Who made a model that Bedrock serves. `unknown`: an ARN that does not tell. */
export type Vendor =
  | 'anthropic'
  | 'nova'
  | 'mistral'
  | 'cohere'
  | 'openai'
  | 'deepseek'
  | 'other'
  | 'unknown';

/** What the codec has to know of a model, as far as its name tells. */
export interface ModelTraits {
  readonly vendor: Vendor;
  /** What hangs on the version of a Claude; null for another model. */
  readonly claude: ClaudeModel | null;
  /** Member of `additionalModelRequestFields` by which a model other than Claude takes an effort; '' for none. */
  readonly effort: 'reasoningConfig' | 'reasoning_effort' | '';
  /** Member of `additionalModelRequestFields` that is its `top_k`, with a dot where it is within another; '' for none. */
  readonly topK: 'top_k' | 'k' | 'inferenceConfig.topK' | '';
}

/** Parts of an id such as `anthropic.claude-…`, `us.anthropic.claude-…` or the end of an ARN. */
const vendors: readonly (readonly [part: string, vendor: Vendor])[] = [
  ['anthropic.', 'anthropic'],
  ['amazon.nova', 'nova'],
  ['mistral.', 'mistral'],
  ['cohere.', 'cohere'],
  ['openai.', 'openai'],
  ['deepseek.', 'deepseek'],
];

/** Reads a model id, an inference profile or an ARN. */
export function modelTraits(modelId: string): ModelTraits {
  const id = modelId.toLowerCase();
  const known = vendors.find(([part]) => id.includes(part));
  const vendor = known?.[1] ?? (id.startsWith('arn:') && !/\/[a-z]+\./.test(id) ? 'unknown' : 'other');
  const claude = vendor === 'anthropic' ? claudeModel(id) : null;
  const effort = id.includes('amazon.nova-2')
    ? 'reasoningConfig'
    : vendor === 'openai'
      ? 'reasoning_effort'
      : '';
  return { vendor, claude, effort, topK: topKs[vendor] };
}

/** Sources: "Inference request parameters and response fields for foundation models" in the Bedrock user guide, by vendor. */
const topKs: Readonly<Record<Vendor, ModelTraits['topK']>> = {
  anthropic: 'top_k',
  nova: 'inferenceConfig.topK',
  mistral: 'top_k',
  cohere: 'k',
  openai: '',
  deepseek: '',
  other: '',
  unknown: '',
};

/** Request parameters, by their names on REST, that a model does not take whatever they say. */
export function unsupportedBy({ claude, effort, topK }: ModelTraits): string[] {
  if (claude !== null) return unsupportedByClaude(claude);
  const names: string[] = [];
  if (topK === '') names.push('top_k');
  if (effort === '') names.push('reasoning_effort');
  return names;
}
