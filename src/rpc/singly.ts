/** What comes in batches. To be read to its end, or returned. */
export interface Batches<T> {
  next(): Promise<IteratorResult<readonly T[], undefined>>;
  return(): Promise<unknown>;
}

/**
 * What comes in batches one by one, as Connect wants it.
 * @param failed what the RPC ends with
 * @param how.told what is sent of each
 * @param how.onFirst called before the first one, with which the response's head goes out
 */
export function singly<T, Out>(
  opening: Promise<Batches<T>>,
  failed: (cause: unknown) => Error,
  how: { readonly told: (one: T) => Out; readonly onFirst?: () => void },
): AsyncIterableIterator<Out> {
  opening.catch(() => {}); // reported by the first next()
  const { told, onFirst } = how;
  let batch: readonly T[] = [];
  let at = 0;
  let first = true;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        while (at >= batch.length) {
          const result = await (await opening).next();
          if (first) onFirst?.();
          first = false;
          if (result.done) return result;
          batch = result.value;
          at = 0;
        }
      } catch (error) {
        throw failed(error);
      }
      return { done: false, value: told(batch[at++] as T) };
    },
    async return() {
      const stream = await opening.catch(() => null);
      await stream?.return();
      return { done: true, value: undefined };
    },
    async throw(error) {
      await this.return?.();
      throw error;
    },
  };
}
