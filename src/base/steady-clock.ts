/**
 * Milliseconds since about 1970 by a clock that nobody sets: one that goes on evenly whatever becomes of the machine's. For what one process remembers
 * by itself; other processes have another one.
 */
export const steadyMs = (): number => performance.timeOrigin + performance.now();
