import { builtinProviders } from './builtin-providers.ts';

/** Beginnings of model names, in lower case, and the provider that each means, whether it is there or not. */
export const namePatterns: readonly (readonly [beginning: string, provider: string])[] = [
  ['gpt-', 'openai'],
  ['o1', 'openai'],
  ['o3', 'openai'],
  ['o4', 'openai'],
  ['claude-', 'anthropic'],
  ['gemini-', 'google'],
  ['deepseek-', 'deepseek'],
  ['grok-', 'xai'],
];

/**
 * Prefixes that mean their provider even when it is not there, or was switched off: a name that has one never goes anywhere
 * else. A configured provider may take one over.
 */
export const foreignPrefixes: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(builtinProviders).flatMap(([name, { prefixes }]) =>
    prefixes.map((prefix) => [prefix, name]),
  ),
);

/** Providers that the catalogue may name whether they are there or not, with their levels of security. */
export const knownProviders: Readonly<Record<string, 'low' | 'medium' | 'high'>> = Object.fromEntries(
  Object.entries(builtinProviders).map(([name, { securityLevel }]) => [name, securityLevel] as const),
);
