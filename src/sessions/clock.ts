let last = 0;

/** Microseconds since 1970. Never the same twice in one process, so that what it makes has an order. */
export function nowUs(): number {
  last = Math.max(last + 1, Date.now() * 1000);
  return last;
}
