/** How full a model's context is: 1 has room, 4 is full or nearly so. */
export type Tier = 1 | 2 | 3 | 4;

/** Where tiers 2, 3 and 4 begin, in percent of the limit; ascending. */
export type TierShares = readonly [second: number, third: number, fourth: number];

/**
 * The tier of a prompt. The share that a tier begins with belongs to it.
 * @param tokens of the prompt
 * @param limit tokens that the model's context takes; the tier is 4 where that is none
 */
export function tierOf(tokens: number, limit: number, [second, third, fourth]: TierShares): Tier {
  if (limit <= 0) return 4;
  // Whole numbers: a quotient would have to be rounded.
  const share = tokens * 100;
  if (share < second * limit) return 1;
  if (share < third * limit) return 2;
  return share < fourth * limit ? 3 : 4;
}

/** What is left of the limit, in whole percent, 0 to 100; cut off, not rounded. */
export const headroomPercent = (tokens: number, limit: number): number =>
  limit <= 0 || tokens >= limit ? 0 : Math.floor(((limit - tokens) * 100) / limit);
