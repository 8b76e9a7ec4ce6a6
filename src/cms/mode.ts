import type { Tier } from './tier.ts';

/** What a client wants of context management; "auto" leaves it to the tier. */
export type CmsMode = (typeof modes)[number];
/** What is to be done with a call. */
export type CmsAction = Exclude<CmsMode, 'auto'>;

const modes = ['none', 'validate', 'optimize', 'plan', 'auto'] as const;

/** Reads a mode, whatever its case and the spaces around it. What is none, or not there, is "auto". */
export function readMode(text: string): CmsMode {
  if (text === '') return 'auto';
  const word = text.trim().toLowerCase();
  return modes.find((mode) => mode === word) ?? 'auto';
}

const actionsByTier: Readonly<Record<Tier, CmsAction>> = {
  1: 'none',
  2: 'validate',
  3: 'optimize',
  4: 'plan',
};

export const actionOf = (mode: CmsMode, tier: Tier): CmsAction =>
  mode === 'auto' ? actionsByTier[tier] : mode;

/** Whether the call is one for context management. */
export const isRouted = (mode: CmsMode, tier: Tier): boolean => actionOf(mode, tier) !== 'none';

/** Whether the call must not go on without the context management service. */
export const isNeeded = (mode: CmsMode, tier: Tier): boolean => tier >= 3 && mode !== 'none';
