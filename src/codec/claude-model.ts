/** `ReasoningPart.format` of signatures and redacted thinking that Claude made, on whatever host. */
export const claudeReasoning = 'anthropic-claude-v1';

/** What of a request hangs on the very model. */
export interface ClaudeModel {
  /**
   * How it is told to think: with a budget of tokens (up to 4.5), as it sees fit (from 4.7), either way (4.6), or not at all
   * (before 3.7).
   */
  readonly thinking: 'none' | 'budget' | 'either' | 'adaptive';
  /**
   * How it is told not to think: `omit` where it does not by itself, `never` where it always does (its effort can be low), else the
   * type of `thinking` to send.
   */
  readonly off: 'disabled' | 'between_tools' | 'omit' | 'never';
  /** Thoughts come back without their text unless it is asked for. */
  readonly omitsThoughts: boolean;
  /** Knows the effort "xhigh". */
  readonly extraHigh: boolean;
  /** Takes temperature, top_p and top_k. */
  readonly sampling: boolean;
  /** Takes temperature and top_p together. */
  readonly samplingPair: boolean;
  /** Takes instructions among the messages, with the role "system". */
  readonly systemMessages: boolean;
  /** Most tokens of an answer, as a limit that is safe to ask for; undefined for a model that is not known. */
  readonly maxOutputTokens: number | undefined;
}

/** A model of Anthropic's form that is not known to be a Claude: only what is Claude's oldest habit is expected of it. */
const unknown: ClaudeModel = {
  thinking: 'budget',
  off: 'disabled',
  omitsThoughts: false,
  extraHigh: false,
  sampling: true,
  samplingPair: true,
  systemMessages: true,
  maxOutputTokens: undefined,
};

/**
 * What a model takes, by its name on any host: `claude-opus-4-6`, `claude-3-7-sonnet@20250219`,
 * `us.anthropic.claude-haiku-4-5-20251001-v1:0`.
 *
 * Sources: Anthropic's pages on thinking, effort, mid-conversation system messages, and "what's new" of each model, November
 * 2026. A newer version than those known there is taken for the newest.
 */
export function claudeModel(name: string): ClaudeModel {
  const found = /claude-(?:([a-z]+)-)?(?:v?(\d{1,2})(?:[.-](\d{1,2}))?(?!\d)|(preview)\b)/.exec(
    name.toLowerCase(),
  );
  if (found === null) return unknown;
  const family = found[1] ?? '';
  const version = found[4] === undefined ? Number(found[2]) * 100 + Number(found[3] ?? 0) : newest;
  const alwaysThinks = family === 'fable' || family === 'mythos';
  return {
    thinking: alwaysThinks ? 'adaptive' : thinkingOf(version),
    off: alwaysThinks ? 'never' : offOf(family, version),
    omitsThoughts: alwaysThinks || version >= 407,
    extraHigh: alwaysThinks || version >= 407,
    sampling: !alwaysThinks && version < 407,
    samplingPair: version < 401,
    systemMessages: version >= 408,
    maxOutputTokens: limitOf(family, version),
  };
}

/** Request parameters, by their names on REST, that a model does not take whatever they say. */
export function unsupportedByClaude({ sampling, thinking }: ClaudeModel): string[] {
  const names = sampling ? [] : ['temperature', 'top_p', 'top_k'];
  if (thinking === 'none') names.push('reasoning_effort');
  return names;
}

/** Of a name with a word where others have a version. A version is a number: 4.7 is 407. */
const newest = 500;

function thinkingOf(version: number): ClaudeModel['thinking'] {
  if (version < 307) return 'none';
  if (version < 406) return 'budget';
  return version < 407 ? 'either' : 'adaptive';
}

function offOf(family: string, version: number): ClaudeModel['off'] {
  if (version < 307) return 'omit';
  if (version < 407) return 'disabled';
  if (version < 500) return 'omit';
  if (version < 505 || family === 'haiku') return 'disabled';
  return family === 'sonnet' ? 'between_tools' : 'never';
}

function limitOf(family: string, version: number): number {
  if (version < 305) return 4_096;
  if (version < 307) return 8_192;
  return version >= 400 && version < 405 && family === 'opus' ? 32_000 : 64_000;
}
