import type { Target } from './targets.ts';

/**
 * By what the deployments of a model are chosen: their place in the list, chance by their weights, the time to their first
 * output, the calls that they have under way, their price.
 */
export const routings = ['order', 'weighted', 'least_latency', 'least_busy', 'cheapest'] as const;
export type Routing = (typeof routings)[number];

/** A deployment, as far as the choice hangs on it. */
export interface Choosable {
  readonly weight: number;
  /** USD for a million tokens of input and as many of output; Infinity when not known. */
  readonly price: number;
}

/**
 * The deployments in the order in which to ask them.
 * @param failedSince those that have failed since then, on the clock of performance.now(), have no latency worth trusting
 * @param random from 0 up to, not including, 1
 */
export function ordered<C extends Choosable>(
  deployments: readonly C[],
  routing: Routing,
  targetOf: (one: C) => Target,
  failedSince = Number.NEGATIVE_INFINITY,
  random: () => number = Math.random,
): readonly C[] {
  if (deployments.length < 2) return deployments;
  switch (routing) {
    case 'order':
      return deployments;
    case 'weighted':
      return weighted(deployments, random);
    case 'least_latency':
      // One that was never asked comes first: else it never would be known. One that fails fast is not fast.
      return by(deployments, (one) => {
        const { failedAt, latency } = targetOf(one);
        return failedAt > failedSince ? Number.POSITIVE_INFINITY : latency.mean;
      });
    case 'least_busy':
      return by(deployments, (one) => targetOf(one).inFlight / Math.max(one.weight, Number.MIN_VALUE));
    case 'cheapest':
      return by(deployments, ({ price }) => price);
  }
}

const by = <C>(deployments: readonly C[], size: (one: C) => number): C[] =>
  deployments
    .map((one) => ({ one, size: size(one) }))
    .sort((a, b) => (a.size === b.size ? 0 : a.size - b.size))
    .map(({ one }) => one);

/** Draws one after another; each is as likely as its weight among those left. */
function weighted<C extends Choosable>(deployments: readonly C[], random: () => number): C[] {
  const left = [...deployments];
  const drawn: C[] = [];
  while (left.length > 0) {
    let point = random() * left.reduce((sum, { weight }) => sum + weight, 0);
    let at = left.findIndex(({ weight }) => (point -= weight) < 0);
    if (at === -1) at = left.length - 1;
    drawn.push(...left.splice(at, 1));
  }
  return drawn;
}

/**
 * The deployments in an order that is always the same for a key, and changes for few keys when deployments come or go (rendezvous
 * hashing), so that a provider's prompt cache is found again.
 */
export const sticky = <C>(deployments: readonly C[], key: string, nameOf: (one: C) => string): readonly C[] =>
  by(deployments, (one) => hash(`${nameOf(one)}\n${key}`));

/** FNV-1a, of 32 bits, mixed once more: names that differ at their end only would come close. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  return (value ^ (value >>> 13)) >>> 0;
}
