/** How the keys of a vendor look: a word, a character, and what is hard to guess. */
export interface KeyForm {
  /** As it is written. */
  readonly word: string;
  /** What comes after it; the rest has letters, digits, `-` and `_`. */
  readonly then: string;
  /** Characters of that rest, at least. */
  readonly least: number;
}

/**
 * Keys with a word in front (sources: the vendors' own documentation of their keys, and GitHub's list of secrets that it scans for). In the rest there
 * has to be a piece of 12 letters and digits, of both, as words that people make up are not.
 */
export const keyForms: readonly KeyForm[] = [
  // OpenAI, Anthropic, OpenRouter, DeepSeek. Shorter than any of theirs: proxies make keys of this form, too.
  ...formsOf('-', 16, 'sk'),
  // Stripe, Clerk.
  ...formsOf('_', 20, 'sk', 'rk', 'whsec'),
  // GitHub.
  ...formsOf('_', 30, 'ghp', 'gho', 'ghu', 'ghs', 'ghr', 'github'),
  // Slack.
  ...formsOf('-', 20, 'xoxb', 'xoxp', 'xoxa', 'xoxr', 'xoxs', 'xoxe', 'xapp'),
  // GitLab.
  ...formsOf('-', 18, 'glpat'),
  // npm, Hugging Face, Replicate, Groq, Shopify, Linear, Notion, DigitalOcean.
  ...formsOf('_', 30, 'npm', 'hf', 'r8', 'gsk', 'shpat', 'shpca', 'shpss', 'lin', 'ntn', 'dop'),
  // xAI, Perplexity, NVIDIA, PyPI, Square.
  ...formsOf('-', 20, 'xai', 'pplx', 'nvapi', 'pypi', 'sq0atp', 'sq0csp'),
  // SendGrid, Google's OAuth, HashiCorp Vault.
  ...formsOf('.', 20, 'SG', 'ya29', 'hvs'),
];

function formsOf(then: string, least: number, ...words: string[]): KeyForm[] {
  return words.map((word) => ({ word, then, least }));
}
