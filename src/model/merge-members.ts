type Members = Record<string, unknown>;

const isMap = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Deeper ones are replaced as a whole. */
const maxDepth = 64;

/**
 * Adds the members of a stream's delta to those so far, as clients of OpenAI's form do: texts are appended, maps merged, items of lists
 * that say their `index` merged by it and others appended; of anything else the last one counts.
 */
export function mergeMembers(into: Members, more: Readonly<Members>, depth = 0): void {
  for (const [key, value] of Object.entries(more)) {
    const known = Object.hasOwn(into, key) ? into[key] : undefined;
    // A key such as `__proto__` is data like any other.
    Object.defineProperty(into, key, {
      value: merged(known, value, depth),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
}

function merged(known: unknown, value: unknown, depth: number): unknown {
  if (value === null) return known ?? null;
  if (typeof known === 'string' && typeof value === 'string') return known + value;
  if (depth >= maxDepth) return value;
  if (Array.isArray(value)) {
    const items: unknown[] = Array.isArray(known) ? known : [];
    for (const item of value) addItem(items, item, depth);
    return items;
  }
  if (!isMap(value)) return value;
  const map: Members = isMap(known) ? known : {};
  mergeMembers(map, value, depth + 1);
  return map;
}

function addItem(items: unknown[], item: unknown, depth: number): void {
  const index = isMap(item) ? item['index'] : undefined;
  const known = items.find((other) => isMap(other) && index !== undefined && other['index'] === index);
  if (!isMap(known) || !isMap(item)) {
    items.push(item);
    return;
  }
  const { index: _, ...rest } = item;
  mergeMembers(known, rest, depth + 1);
}
