import { maxText, redacted, redactText, secretName } from './redact.ts';

const maxDepth = 6;
const maxItems = 100;
/** Characters of one line, about; what comes after them is left out. */
const maxLine = 65_536;
const leftOut = '[left out]';

type Plain = Record<string, unknown>;

/**
 * The fields of a log line as plain JSON values: bounded in depth, breadth, length of each text (8,192 characters) and of the
 * whole (65,536); errors with their causes; secrets masked by their names and by what they look like. Never throws.
 */
export function plainFields(fields: object): Plain {
  return new Plainer().members(fields, 0, false);
}

/** Makes values plain; one for each line, since it counts the line's length. */
class Plainer {
  #left = maxLine;
  /** What the value at hand is part of. */
  readonly #above: object[] = [];

  /** @param hide whether the value stands below a name that makes every text a secret */
  value(value: unknown, depth: number, hide: boolean): unknown {
    if (this.#left <= 0) return leftOut;
    if (typeof value === 'string') return hide ? redacted : this.#text(value);
    if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
    if (typeof value === 'bigint') return String(value);
    if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`;
    if (typeof value !== 'object' || value === null) return value;
    if (depth >= maxDepth) return leftOut;
    if (this.#above.includes(value)) return '[circular]';
    this.#above.push(value);
    try {
      return this.#object(value, depth, hide);
    } catch {
      // A getter or a toJSON of its own that throws.
      return '[unreadable]';
    } finally {
      this.#above.pop();
    }
  }

  members(value: object, depth: number, hide: boolean): Plain {
    return this.#entries(Object.entries(value), depth, hide);
  }

  #object(value: object, depth: number, hide: boolean): unknown {
    if (value instanceof Error) return this.#error(value, depth, hide);
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
    if (value instanceof Map || value instanceof Headers) return this.#entries([...value], depth, hide);
    if (Array.isArray(value) || value instanceof Set) return this.#items([...value], depth, hide);
    if ('toJSON' in value && typeof value.toJSON === 'function') {
      return this.value(value.toJSON(), depth + 1, hide);
    }
    return this.members(value, depth, hide);
  }

  #entries(entries: readonly (readonly [unknown, unknown])[], depth: number, hide: boolean): Plain {
    const plain: Plain = {};
    for (const [key, item] of entries.length > maxItems ? entries.slice(0, maxItems) : entries) {
      const { shown, secret } = nameOf(String(key));
      this.#left -= shown.length;
      plain[shown] =
        secret === 'always' && typeof item !== 'boolean' && item !== null && item !== undefined
          ? redacted
          : this.value(item, depth + 1, hide || secret === 'texts');
    }
    if (entries.length > maxItems) plain['…'] = `${entries.length - maxItems} more`;
    return plain;
  }

  #items(items: readonly unknown[], depth: number, hide: boolean): unknown[] {
    const plain = items.slice(0, maxItems).map((item) => this.value(item, depth + 1, hide));
    return items.length > maxItems ? [...plain, `${items.length - maxItems} more`] : plain;
  }

  #error(error: Error, depth: number, hide: boolean): Plain {
    const { name, message, stack, cause } = error;
    const plain: Plain = { name: this.value(name, depth, hide), message: this.value(message, depth, hide) };
    Object.assign(plain, this.#entries(factsOf(error), depth, hide));
    // The stack begins with name and message.
    if (typeof stack === 'string') {
      plain['stack'] = this.value(stack.slice(Math.max(0, stack.search(/^ {4}at /m))), depth, hide);
    }
    if (cause !== undefined) plain['cause'] = this.value(cause, depth + 1, hide);
    if (error instanceof AggregateError) plain['errors'] = this.value(error.errors.slice(0, 5), depth, hide);
    return plain;
  }

  #text(text: string): string {
    const plain = redactText(text, Math.min(maxText, Math.max(this.#left, 1)));
    this.#left -= plain.length;
    return plain;
  }
}

/** How the name of a field is shown, and whether what it names is a secret. */
interface Name {
  readonly shown: string;
  readonly secret: ReturnType<typeof secretName>;
}

/** Names of fields are few, and finding out about them is half the work of a line. */
const names = new Map<string, Name>();
const maxNames = 1_000;
const maxNameLength = 64;

function nameOf(key: string): Name {
  const known = names.get(key);
  if (known !== undefined) return known;
  const name = { shown: redactText(key, 256), secret: secretName(key) };
  if (key.length > maxNameLength) return name;
  if (names.size >= maxNames) names.clear();
  names.set(key, name);
  return name;
}

/**
 * What an error has of its own, as far as it is simple: `code`, `syscall`, and the members of plain objects such as a
 * GatewayError's facts. The rest would be schemas, headers and sockets.
 */
function factsOf(error: Error): [string, unknown][] {
  const facts: [string, unknown][] = [];
  if ('reasonName' in error) facts.push(['reason', error.reasonName]);
  for (const [key, value] of Object.entries(error)) {
    if (isSimple(value)) facts.push([key, value]);
    else if (Object.getPrototypeOf(value) === Object.prototype) {
      facts.push(...Object.entries(value as object).filter(([, item]) => isSimple(item)));
    }
  }
  return facts.filter(
    ([key], at) => facts.findIndex(([other]) => other === key) === at && !shownAlready.has(key),
  );
}

const shownAlready = new Set(['name', 'message', 'rawMessage', 'stack', 'cause', 'errors']);
const isSimple = (value: unknown): boolean =>
  value === null || !['object', 'function', 'symbol'].includes(typeof value);
