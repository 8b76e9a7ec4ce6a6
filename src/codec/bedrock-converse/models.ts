import { type ClaudeModel, claudeModel } from '../claude-model.ts';

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
  /** `amazon.nova-2-…`: has `reasoningConfig`. */
  readonly nova2: boolean;
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
  return {
    vendor,
    claude: vendor === 'anthropic' ? claudeModel(id) : null,
    nova2: id.includes('amazon.nova-2'),
  };
}
