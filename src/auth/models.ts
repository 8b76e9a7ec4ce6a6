import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { wildcard } from '../base/wildcard.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Principal } from './principal.ts';

type Patterns = readonly string[];

/** What fits each pattern, in lower case. Principals are made once for many calls. */
const known = new WeakMap<Patterns, readonly ((name: string) => boolean)[]>();

function fitting(patterns: Patterns): readonly ((name: string) => boolean)[] {
  let fits = known.get(patterns);
  if (fits === undefined) {
    fits = patterns.map((pattern) => wildcard(pattern.toLowerCase()));
    known.set(patterns, fits);
  }
  return fits;
}

/**
 * Whether a model may be asked.
 * @param names all that the model is called: as asked for, by its id in the catalogue, by its provider and name there
 */
export function mayAsk({ models }: Principal, names: readonly string[]): boolean {
  if (models === null) return true;
  const patterns = fitting(models);
  return names.some((name) => {
    const lower = name.toLowerCase();
    return patterns.some((fits) => fits(lower));
  });
}

/** @throws GatewayError PERMISSION_DENIED that names the model */
export function checkModel(
  principal: Principal,
  names: readonly string[],
  asked: string,
  field = 'model',
): void {
  if (mayAsk(principal, names)) return;
  const shown = JSON.stringify(asked.length > 200 ? `${asked.slice(0, 200)}…` : asked);
  throw new GatewayError(ErrorReason.PERMISSION_DENIED, `this key may not ask model ${shown}`, {
    field,
  });
}
