import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import { type Pico, picoOf } from './money.ts';
import type { Pricing } from './price.ts';
import { costMembers, splitTokens, type TokenSplit } from './tokens.ts';

/** What is known of a model's prices: `free` where nobody is paid, null where nothing is known. */
export type PriceOf = Pricing | 'free' | null;

/** What one answer used, and costs. */
export interface Costed {
  readonly tokens: TokenSplit;
  /** Null when it is not known. */
  readonly pico: Pico | null;
}

/**
 * The cost of one answer: what the provider says that it charged, else by price.
 * @param serviceTier of the answer, in OpenAI's words; '' for the usual one
 */
export function costOf(usage: Usage, price: PriceOf, serviceTier: string): Costed {
  const members = costMembers(usage);
  const tokens = splitTokens(usage, members);
  if (price === 'free') return { tokens, pico: 0n };
  const charged = chargedBy(members);
  if (charged !== null) return { tokens, pico: charged };
  return { tokens, pico: price === null ? null : price.cost(tokens, serviceTier) };
}

/** Picodollars of one of xAI's ticks, by recorded answers: 10,000,000,000 are a dollar. */
const picoOfTick = 100n;

/**
 * What the provider says that the answer costs. OpenRouter: `cost`, in dollars; with a key of one's own for the provider behind it (`is_byok`)
 * that is OpenRouter's fee alone, and the provider charges `cost_details.upstream_inference_cost` besides. xAI: `cost_in_usd_ticks`.
 */
function chargedBy(members: Readonly<Record<string, unknown>>): Pico | null {
  const ticks = members['cost_in_usd_ticks'];
  if (Number.isSafeInteger(ticks) && (ticks as number) >= 0) return BigInt(ticks as number) * picoOfTick;
  const { cost } = members;
  if (typeof cost !== 'number') return null;
  const fee = picoOf(cost);
  if (fee === null || members['is_byok'] !== true) return fee;
  const details = members['cost_details'] as { upstream_inference_cost?: unknown } | null | undefined;
  const behind = details?.upstream_inference_cost;
  return typeof behind === 'number' ? fee + (picoOf(behind) ?? 0n) : fee;
}
