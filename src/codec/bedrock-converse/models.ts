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

/** How a Claude model is told to think. `adaptive` alone: it refuses budgets. */
export type Thinking = 'none' | 'budget' | 'budget or adaptive' | 'adaptive';

/** What the codec has to know of a model, as far as its name tells. */
export interface ModelTraits {
  readonly vendor: Vendor;
  readonly thinking: Thinking;
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
    thinking: vendor === 'anthropic' ? claudeThinking(id) : 'none',
    nova2: id.includes('amazon.nova-2'),
  };
}

/**
 * Claude thinks since 3.7, adaptively since 4.6, and only so since 4.7. Source: "Adaptive thinking" and "Extended thinking" in the Bedrock
 * user guide.
 */
function claudeThinking(id: string): Thinking {
  const name = id.slice(id.indexOf('anthropic.') + 'anthropic.'.length);
  if (/^claude-(?:v\d|instant)/.test(name)) return 'none';
  const [, major, minor = '0'] = /^claude-(?:[a-z]+-)?(\d{1,2})(?!\d)(?:-(\d{1,2})(?!\d))?/.exec(name) ?? [];
  // A name without a number is newer than the numbers.
  const version = major === undefined ? 500 : Number(major) * 100 + Number(minor);
  if (version < 307) return 'none';
  if (version < 406) return 'budget';
  return version < 407 ? 'budget or adaptive' : 'adaptive';
}
