import { invalidRequest } from '../../errors/gateway-error.ts';

/** Collections whose names are resources already. */
const collections: ReadonlySet<string> = new Set([
  'models',
  'tunedModels',
  'publishers',
  'projects',
  'endpoints',
]);

/**
 * The name of a model as a resource, each step percent-encoded: `gemini-2.5-pro` is `models/gemini-2.5-pro`, while
 * `models/…`, `tunedModels/…`, `publishers/…/models/…`, `endpoints/…` stay as they are.
 * @param collection where a plain name is: `models`, or `publishers/google/models` for Vertex AI
 * @throws GatewayError INVALID_REQUEST for a name that cannot be one step of a path
 */
export function modelResource(model: string, collection: string): string {
  const steps = model.replace(/^\/+/, '').split('/');
  const named = steps.length > 1 && collections.has(steps[0] as string);
  if (!named) return `${collection}/${step(model)}`;
  // Vertex AI has the models of the Gemini API under those of Google.
  if (steps[0] === 'models' && collection !== 'models')
    return `${collection}/${steps.slice(1).map(step).join('/')}`;
  return steps.map(step).join('/');
}

function step(name: string): string {
  if (name === '' || name === '.' || name === '..') {
    throw invalidRequest('model', "Invalid 'model': it is no name of a model.");
  }
  try {
    return encodeURIComponent(name);
  } catch {
    throw invalidRequest('model', "Invalid 'model': it is not valid Unicode.");
  }
}
