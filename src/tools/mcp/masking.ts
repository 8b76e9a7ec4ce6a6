import type { McpTransport } from '../../config/mcp-servers.ts';

const mask = '[redacted]';
/** Shorter values are not masked: they would mask ordinary words. */
const least = 4;

/** Takes what a server was given in secret (headers, environment) out of what it says, before that is logged or told. */
export function masking(transport: McpTransport): (text: string) => string {
  const given = transport.kind === 'http' ? transport.headers : transport.env;
  const secrets = new Set<string>();
  for (const value of Object.values(given)) {
    // `Bearer …`: servers repeat the token alone.
    for (const piece of [value, ...value.split(/\s+/)]) if (piece.length >= least) secrets.add(piece);
  }
  if (transport.kind === 'http') secrets.add(transport.url);
  const longestFirst = [...secrets].sort((a, b) => b.length - a.length);
  return (text) => longestFirst.reduce((clean, secret) => clean.replaceAll(secret, mask), text);
}
