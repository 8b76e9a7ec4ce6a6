/** Characters of a token by the family of the model: the first whose name is in the model's wins. */
const ratios: readonly (readonly [family: string, charsPerToken: number])[] = [
  ['qwen', 3.5],
  ['codellama', 3.8],
  ['deepseek', 3.2],
  ['llama', 3.5],
  ['gpt', 4],
  ['claude', 3.8],
];
const usualRatio = 4;
/** What a message costs beyond its text. */
const tokensOfMessage = 4;

/**
 * Tokens by the length of the texts alone: right within a fifth or so for English prose, too few for code, and far too few for
 * scripts with many characters.
 * @param model name of the model; upper or lower case
 */
export function estimateTokens(characters: number, messages: number, model: string): number {
  const lower = model.toLowerCase();
  const ratio = ratios.find(([family]) => lower.includes(family))?.[1] ?? usualRatio;
  return Math.floor(characters / ratio) + tokensOfMessage * messages;
}
