import { isObject, quote } from '../json.ts';
import { notUnderstood } from '../upstream-error.ts';

/**
 * The body of models.countTokens for a request's body. The Gemini API wants the whole request, with its model's name; Vertex AI
 * takes its members as they are.
 * @param resource name of the model as a resource, `models/…`; null for Vertex AI
 */
export const encodeCountTokens = (body: string, resource: string | null): string =>
  resource === null ? body : `{"generateContentRequest":{"model":${quote(resource)},${body.slice(1)}}`;

/** @throws GatewayError when the answer has no count */
export function decodeCountTokens(json: unknown, provider: string): number {
  const total = isObject(json) ? json['totalTokens'] : undefined;
  if (typeof total === 'number' && Number.isInteger(total) && total >= 0) return total;
  throw notUnderstood(provider, 'it has no totalTokens');
}
