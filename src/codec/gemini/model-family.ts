/** What Google's models of one generation have in common. Source: ai.google.dev, "Gemini thinking", "Thought signatures". */
export interface ModelFamily {
  /** How much it thinks is set by a level (Gemini 3), by a budget of tokens (2.5), or not at all. */
  readonly thinking: 'level' | 'budget' | 'none';
  /** Whether thinking can be turned off. */
  readonly thinkingOff: boolean;
  /** Smallest level or budget. */
  readonly leastLevel: 'MINIMAL' | 'LOW';
  /** What is nearest to a medium one. */
  readonly mediumLevel: 'MEDIUM' | 'HIGH';
  readonly leastBudget: number;
  readonly mostBudget: number;
  /** Whether a call of a function in the history is refused when it has no thought signature. */
  readonly needsSignatures: boolean;
  /** Whether tools and an answer in JSON can be asked for at once. */
  readonly toolsWithJson: boolean;
  /** Whether pictures may stand in the result of a function. */
  readonly mediaInResults: boolean;
  /** Whether files are fetched from any public address; older ones take those of Google's own stores only. */
  readonly publicUrls: boolean;
}

const third = (name: string): ModelFamily => ({
  thinking: 'level',
  thinkingOff: false,
  leastLevel: name.includes('flash') ? 'MINIMAL' : 'LOW',
  mediumLevel: name.startsWith('gemini-3-pro') ? 'HIGH' : 'MEDIUM',
  leastBudget: 128,
  mostBudget: 32_768,
  needsSignatures: true,
  toolsWithJson: true,
  mediaInResults: true,
  publicUrls: true,
});

const second = (name: string): ModelFamily => {
  const pro = name.includes('pro');
  return {
    thinking: 'budget',
    thinkingOff: !pro,
    leastLevel: 'LOW',
    mediumLevel: 'MEDIUM',
    leastBudget: pro ? 128 : name.includes('lite') ? 512 : 1,
    mostBudget: pro ? 32_768 : 24_576,
    needsSignatures: false,
    toolsWithJson: false,
    mediaInResults: false,
    publicUrls: true,
  };
};

const first: ModelFamily = {
  thinking: 'none',
  thinkingOff: false,
  leastLevel: 'LOW',
  mediumLevel: 'MEDIUM',
  leastBudget: 0,
  mostBudget: 0,
  needsSignatures: false,
  toolsWithJson: false,
  mediaInResults: false,
  publicUrls: false,
};

/**
 * The family of a model by its name at the provider. `gemini-flash-latest` and its like are of the newest one. A name that says
 * nothing (a tuned model, an endpoint of Vertex AI) is taken as of one without thinking that takes what all take.
 */
export function familyOf(model: string): ModelFamily {
  const name = model.slice(model.lastIndexOf('/') + 1).toLowerCase();
  const version = /^gemini-(\d+)(?:\.(\d+))?/.exec(name);
  if (version === null) {
    return /^gemini-.*latest/.test(name) ? third(name) : { ...first, publicUrls: true };
  }
  const major = Number(version[1]);
  if (major >= 3) return third(name);
  return major === 2 && Number(version[2] ?? 0) >= 5 ? second(name) : first;
}
