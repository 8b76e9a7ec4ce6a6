import { cors as connect } from '@connectrpc/connect';
import type { Request, Response } from './types.ts';

export interface CorsOptions {
  /**
   * Web origins whose pages may call, such as `https://console.example.com`: then with credentials. `*` (or a list
   * that holds it) is every origin, without credentials. An empty list is none.
   */
  origins: '*' | readonly string[];
  /** How long browsers may remember a preflight's answer; they cap it themselves. Default 7200. */
  maxAgeSeconds?: number;
  /** Response headers that pages may read, besides those of Connect and gRPC-Web. */
  exposedHeaders?: readonly string[];
}

/**
 * To be called before a request is routed. Answers a preflight and returns true; otherwise sets the CORS headers of the
 * response to come and returns false.
 */
export type Cors = (req: Request, res: Response) => boolean;

const METHODS = [
  ...new Set([...connect.allowedMethods, 'GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS']),
].join(', ');
/** Bound on the list of header names that is echoed. */
const MAX_REQUEST_HEADERS_LENGTH = 4096;
/** A comma-separated list of header names (RFC 9110, 5.6.2). */
const TOKEN_LIST = /^[ \t]*[\w!#$%&'*+.^`|~-]+(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*[ \t]*$/;

/**
 * Whether a request may come from where it says that it comes from. Pages can send simple requests anywhere without asking first; only
 * their answers are kept from them. Requests without an origin, and those of pages that the gateway itself serves, are fine.
 */
export function originPolicy({ origins }: Pick<CorsOptions, 'origins'>): (req: Request) => boolean {
  if (origins === '*' || origins.includes('*')) return () => true;
  const allowed = new Set([...origins].map(normalizeOrigin));
  return ({ headers }) => {
    const { origin } = headers;
    if (origin === undefined || allowed.has(origin.toLowerCase())) return true;
    const host = headers.host ?? headers[':authority'];
    return /^https?:\/\/(.+)$/i.exec(origin)?.[1] === host;
  };
}

/** Cross-origin rules that let browsers use REST, Connect-Web and gRPC-Web. */
export function createCors(options: CorsOptions): Cors {
  const any = options.origins === '*' || options.origins.includes('*');
  const origins = new Set(any ? [] : [...options.origins].map(normalizeOrigin));
  const exposed = [...new Set([...connect.exposedHeaders, ...(options.exposedHeaders ?? [])])].join(', ');
  const maxAge = String(options.maxAgeSeconds ?? 7200);

  /** Sets what both kinds of answers need. Returns whether the origin may call. */
  const allowOrigin = (origin: string | undefined, res: Response): boolean => {
    if (any) {
      if (origin === undefined) return false;
      res.setHeader('access-control-allow-origin', '*');
      return true;
    }
    // Also without an origin: the answer would differ with one, and shared caches must know.
    if (origins.size > 0) res.setHeader('vary', 'Origin');
    if (origin === undefined || !origins.has(origin)) return false;
    res.setHeader('access-control-allow-origin', origin);
    res.setHeader('access-control-allow-credentials', 'true');
    return true;
  };

  return (req, res) => {
    const { origin } = req.headers;
    const allowed = allowOrigin(origin, res);
    if (!isPreflight(req)) {
      if (allowed) res.setHeader('access-control-expose-headers', exposed);
      return false;
    }
    if (allowed) {
      res.setHeader('access-control-allow-methods', METHODS);
      res.setHeader('access-control-max-age', maxAge);
      const asked = askedHeaders(req);
      if (asked !== undefined) res.setHeader('access-control-allow-headers', asked);
    }
    res.statusCode = 204;
    res.end();
    return true;
  };
}

function isPreflight(req: Request): boolean {
  const { headers } = req;
  return (
    req.method === 'OPTIONS' &&
    headers.origin !== undefined &&
    headers['access-control-request-method'] !== undefined
  );
}

/**
 * The header names a preflight asks for, which are granted: every face ignores headers it doesn't know, and clients add
 * their own (SDKs' x-stainless-*, tracing). Undefined when absent, too long, or not a list of names.
 */
function askedHeaders(req: Request): string | undefined {
  const asked = req.headers['access-control-request-headers'];
  if (typeof asked !== 'string' || asked.length > MAX_REQUEST_HEADERS_LENGTH) return undefined;
  return TOKEN_LIST.test(asked) ? asked : undefined;
}

function normalizeOrigin(origin: string): string {
  return origin.trim().replace(/\/$/, '').toLowerCase();
}
