/** States of a wrapper that are no success: what it says of that stands beside the result. */
const failures: ReadonlySet<string> = new Set(['error', 'failed', 'failure']);

/**
 * Takes a result out of the wrapper `{status, result}` that some agents put around it, byte for byte. Everything else is left as it is.
 * @param json valid JSON text
 */
export function unwrap(json: string): string {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return json;
  const { status, result } = value as { status?: unknown; result?: unknown };
  if (typeof status !== 'string' || failures.has(status.toLowerCase())) return json;
  if (typeof result !== 'object' || result === null) return json;
  return memberText(json, 'result') ?? json;
}

/**
 * The text of a member of an object, as it stands there; null when there is none. Of several, the last one counts, as it does to a parser.
 * @param json valid JSON text of an object
 */
export function memberText(json: string, name: string): string | null {
  let depth = 0;
  let key = '';
  /** Where the value of `key` begins; -1 as long as there is none. */
  let from = -1;
  let found: string | null = null;
  for (let at = 0; at < json.length; at++) {
    const mark = json[at];
    if (mark === '"') {
      const end = endOfString(json, at);
      if (depth === 1 && from < 0) key = JSON.parse(json.slice(at, end + 1)) as string;
      at = end;
    } else if (mark === ':' && depth === 1) from = at + 1;
    else if (depth === 1 && (mark === ',' || mark === '}')) {
      if (from >= 0 && key === name) found = json.slice(from, at).trim();
      from = -1;
    }
    if (mark === '{' || mark === '[') depth++;
    else if (mark === '}' || mark === ']') depth--;
  }
  return found;
}

/** Where the string that begins at `start` has its closing quotes. */
function endOfString(json: string, start: number): number {
  let end = start;
  for (;;) {
    end = json.indexOf('"', end + 1);
    let slashes = 0;
    while (json[end - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return end;
  }
}
