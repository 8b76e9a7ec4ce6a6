/** Tells paths by the routes that serve them, so that there are few names however many paths are asked for. */
export interface RouteNames {
  /** The template of the route, such as `/v1/sessions/{id}`; `other` for what no route serves. */
  labelOf(path: string): string;
  /** Whether a template is that of an RPC. */
  isRpc(label: string): boolean;
}

/** Last segments below an id that have routes of their own. */
const actions = new Set(['cancel', 'input_items', 'items']);

/**
 * @param routes of the REST facade; what ends in `/*` takes everything below it
 * @param rpcPaths paths of all RPCs
 */
export function routeNames(routes: Iterable<string>, rpcPaths: Iterable<string>): RouteNames {
  const exact = new Map<string, string>();
  const below: string[] = [];
  const rpcs = new Set(rpcPaths);
  for (const rpc of rpcs) exact.set(rpc, rpc);
  for (const route of routes) {
    if (route.endsWith('/*')) below.push(route.slice(0, -1));
    else exact.set(route, route);
  }
  // Paths under /v1 are served without it, too; they are the same routes.
  for (const route of [...exact.keys()]) {
    if (route.startsWith('/v1/') && !exact.has(route.slice(3))) exact.set(route.slice(3), route);
  }
  below.sort((a, b) => b.length - a.length);
  const prefixOf = (path: string): string | undefined =>
    below.find((prefix) => path.startsWith(prefix) && path !== prefix);

  return {
    labelOf(given) {
      const path = given.length > 1 && given.endsWith('/') ? given.slice(0, -1) : given;
      const known = exact.get(path);
      if (known !== undefined) return known;
      const own = prefixOf(path);
      const prefix = own ?? prefixOf(`/v1${path}`);
      if (prefix === undefined) return 'other';
      const rest = (own === undefined ? `/v1${path}` : path).slice(prefix.length).split('/');
      const last = rest.length === 2 || rest.length === 3 ? (rest[1] as string) : '';
      if (!actions.has(last)) return `${prefix}{id}`;
      return rest.length === 3 ? `${prefix}{id}/${last}/{id}` : `${prefix}{id}/${last}`;
    },
    isRpc: (label) => rpcs.has(label),
  };
}
