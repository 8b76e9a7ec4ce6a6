/** Names of things that are secrets whatever they hold. */
const secretName =
  /^(?:authorization|proxy-authorization|cookie|set-cookie|(?:x-)?api[-_]?key|apikey|x-goog-api-key|x-auth-token|(?:access|refresh|id|auth|session|secret)[-_]?token|token|secret|password|passwd|private[-_]?key|client[-_]?secret|aws[-_]?secret[-_]?access[-_]?key)$/i;

/** Texts that are secrets wherever they stand: keys of the known vendors, bearer tokens, JWTs, credentials in URLs. */
const secretText =
  /\b(?:sk|pk|rk)-[\w-]{8,}|\bAIza[\w-]{20,}|\bxai-[\w-]{8,}|\bgsk_\w{8,}|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bgh[pousr]_\w{16,}|\bhf_\w{16,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+|(?<=\bBearer\s)[\w.~+/=-]{8,}|(?<=:\/\/[^\s:/@]{0,64}:)[^\s/@]{1,256}(?=@)/gi;

const mask = '[redacted]';
/** Longest text that is kept, in characters. */
const maxText = 8_192;
const maxDepth = 6;
const maxItems = 100;

/** A text without the secrets in it, cut to a bound. */
export function redactText(text: string): string {
  const cut = text.length > maxText ? `${text.slice(0, maxText)}…` : text;
  return cut.replace(secretText, mask);
}

/** A value fit for a log: bounded in depth, breadth and length, errors with their causes, secrets masked. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? '[function]' : value;
  if (depth >= maxDepth) return '[…]';
  if (value instanceof Error) return redactError(value, depth);
  if (Array.isArray(value)) return value.slice(0, maxItems).map((item) => redact(item, depth + 1));
  if ('toJSON' in value && typeof value.toJSON === 'function') return redact(value.toJSON(), depth + 1);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  const clean: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value).slice(0, maxItems)) {
    clean[name] =
      secretName.test(name) && item !== null && item !== undefined ? mask : redact(item, depth + 1);
  }
  return clean;
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  return {
    name: error.name,
    message: redactText(error.message),
    ...('code' in error ? { code: redact(error.code, maxDepth) } : {}),
    ...(error.stack === undefined ? {} : { stack: redactText(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: redact(error.cause, depth + 1) }),
  };
}
