import { createHash } from 'node:crypto';

/** Longest name that providers take for a tool. */
const maxName = 64;
const hashLength = 8;

/**
 * The name under which the gateway has a server's tool: `<server>__<tool>`. Where that is no legal name (64 letters, digits, "_" and
 * "-"), what is not legal becomes "_", the rest is cut off, and a hash of the whole name at the end keeps it unique. The same
 * on every gateway, whatever else there is.
 */
export function gatewayName(server: string, tool: string): string {
  const name = `${server}__${tool}`;
  if (/^[\w-]{1,64}$/.test(name)) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, hashLength);
  const legal = name.replace(/[^\w-]+/g, '_').slice(0, maxName - hashLength - 1);
  return `${legal}_${hash}`;
}
