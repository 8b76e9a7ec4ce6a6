/** What `Cache-Control` says of a request: `no-cache` wants a new answer, `no-store` that it is not kept. The rest is not for this cache. */
export function cacheControl(given: string | undefined): {
  readonly forceRefresh: boolean;
  readonly noStore: boolean;
} {
  if (given === undefined) return nothing;
  const words = given
    .toLowerCase()
    .split(',')
    .map((word) => word.trim());
  return { forceRefresh: words.includes('no-cache'), noStore: words.includes('no-store') };
}

const nothing = { forceRefresh: false, noStore: false };
