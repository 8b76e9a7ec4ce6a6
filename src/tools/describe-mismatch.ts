import type { ErrorObject } from 'ajv';
import type { ArgumentStrictness } from './toolbox.ts';

/** Wrong arguments, in words. */
export interface Mismatch {
  readonly message: string;
  /** Path to the wrong one; '' when it is all of them. */
  readonly field: string;
}

/** Longest list of allowed values, or pattern, that is shown, in characters. */
const maxShown = 300;

export const missing = (field: string): Mismatch => ({
  message: `Missing required argument: ${field}`,
  field,
});
export const unknown = (field: string): Mismatch => ({ message: `Unknown argument: ${field}`, field });

/** Says what a check against a schema found. Never the value. */
export function describeMismatch(
  error: ErrorObject,
  args: unknown,
  strictness: ArgumentStrictness,
): Mismatch {
  const { keyword, params, instancePath, message = 'is not valid' } = error;
  const steps = stepsOf(instancePath);
  const field = pathOf(steps);
  const below = (name: unknown): string => pathOf([...steps, String(name)]);
  switch (keyword) {
    case 'required':
    case 'dependentRequired':
    case 'dependencies':
      return missing(below(params['missingProperty']));
    case 'additionalProperties':
      return unknown(below(params['additionalProperty']));
    case 'unevaluatedProperties':
      return unknown(below(params['unevaluatedProperty']));
    case 'type': {
      const expected = [params['type']].flat().join(' or ');
      const got = strictness === 'model' ? `, got ${typeOf(valueAt(args, steps))}` : '';
      return { message: `Invalid type for '${field}': expected ${expected}${got}`, field };
    }
    case 'enum':
      return wrong(
        field,
        `must be one of ${shown((params['allowedValues'] as unknown[]).map(json).join(', '))}`,
      );
    case 'const':
      return wrong(field, `must be ${shown(json(params['allowedValue']))}`);
    case 'false schema':
      return wrong(field, 'is not allowed');
    default:
      return wrong(field, shown(message));
  }
}

const wrong = (field: string, what: string): Mismatch => ({
  message: field === '' ? `Invalid arguments: they ${what}` : `Invalid value for '${field}': ${what}`,
  field,
});

const json = (value: unknown): string => JSON.stringify(value) ?? 'null';
const shown = (text: string): string => (text.length > maxShown ? `${text.slice(0, maxShown)}…` : text);

/** The steps of a JSON pointer. */
const stepsOf = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));

/** `source.books[0]`, at most 200 characters. */
const pathOf = (steps: readonly string[]): string =>
  steps
    .map((step) => (/^\d+$/.test(step) ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '')
    .slice(0, 200);

function valueAt(value: unknown, steps: readonly string[]): unknown {
  let at = value;
  for (const step of steps) at = (at as Record<string, unknown> | null)?.[step];
  return at;
}

/** A value's type in JSON Schema's words. */
function typeOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}
