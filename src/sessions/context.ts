import { type GatewayError, invalidRequest } from '../errors/gateway-error.ts';

/** Largest context, in bytes of its JSON text. */
export const maxContextBytes = 64 * 2 ** 10;

/**
 * Makes sure that a context is a JSON object of bounded size, and that the keys which the gateway reads are what they have to be.
 * @param field where the client wrote it
 * @throws GatewayError INVALID_REQUEST
 */
export function checkContext(contextJson: string, field: string): void {
  const fail = (place: string, expected: string): GatewayError =>
    invalidRequest(place, `Invalid '${place}': expected ${expected}.`);
  if (Buffer.byteLength(contextJson) > maxContextBytes) {
    throw fail(field, `at most ${maxContextBytes} bytes of JSON`);
  }
  let context: unknown;
  try {
    context = JSON.parse(contextJson);
  } catch {
    throw fail(field, 'the text of a JSON object');
  }
  if (typeof context !== 'object' || context === null || Array.isArray(context)) {
    throw fail(field, 'a JSON object');
  }
  const { taxonomy = null, tier_filter: tiers = null } = context as Record<string, unknown>;
  if (taxonomy !== null && typeof taxonomy !== 'string') throw fail(`${field}.taxonomy`, 'a string');
  if (tiers !== null && !(Array.isArray(tiers) && tiers.every(Number.isInteger))) {
    throw fail(`${field}.tier_filter`, 'an array of integers');
  }
}

/** A context with the taxonomy that is named, '' for none; as it was when it would become too large. */
export function contextWith(contextJson: string, taxonomy: string): string {
  if (taxonomy === '') return contextJson;
  const context = JSON.parse(contextJson) as Record<string, unknown>;
  if (context['taxonomy'] === taxonomy) return contextJson;
  const changed = JSON.stringify({ ...context, taxonomy });
  return Buffer.byteLength(changed) > maxContextBytes ? contextJson : changed;
}

/** The key of a context by which a conversation is kept to providers that may have sensitive text. */
const confinedKey = 'gateway_sensitive';

/** Whether a conversation is kept to providers that may have sensitive text. */
export const isConfined = (contextJson: string): boolean =>
  contextJson.includes(confinedKey) &&
  (JSON.parse(contextJson) as Record<string, unknown>)[confinedKey] === true;

/** A context that says so. It may become a few bytes larger than clients may make it: this is not to be left out. */
export const confinedContext = (contextJson: string): string =>
  isConfined(contextJson)
    ? contextJson
    : JSON.stringify({ ...(JSON.parse(contextJson) as Record<string, unknown>), [confinedKey]: true });
