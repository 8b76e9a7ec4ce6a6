import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Principal } from './principal.ts';

type Patterns = readonly string[];

/** Each pattern as the texts between its stars, in lower case. Principals are made once for many calls. */
const known = new WeakMap<Patterns, readonly (readonly string[])[]>();

function piecesOf(patterns: Patterns): readonly (readonly string[])[] {
  let pieces = known.get(patterns);
  if (pieces === undefined) {
    pieces = patterns.map((pattern) => pattern.toLowerCase().split('*'));
    known.set(patterns, pieces);
  }
  return pieces;
}

/** Finds the pieces one after the other: unlike a regular expression it never goes back, since patterns may be strangers'. */
function fits(pieces: readonly string[], name: string): boolean {
  const first = pieces[0] as string;
  if (pieces.length === 1) return name === first;
  const last = pieces[pieces.length - 1] as string;
  if (!name.startsWith(first) || !name.endsWith(last)) return false;
  let at = first.length;
  for (let i = 1; i < pieces.length - 1; i++) {
    const piece = pieces[i] as string;
    const found = name.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at + last.length <= name.length;
}

/**
 * Whether a model may be asked.
 * @param names all that the model is called: as asked for, by its id in the catalogue, by its provider and name there
 */
export function mayAsk({ models }: Principal, names: readonly string[]): boolean {
  if (models === null) return true;
  const patterns = piecesOf(models);
  return names.some((name) => {
    const lower = name.toLowerCase();
    return patterns.some((pieces) => fits(pieces, lower));
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
