import { isIP } from 'node:net';
import { isPublicAddress } from './addresses.ts';

/** What limits where registered tools may be. */
export interface HostRules {
  /** LLM_GATEWAY_TOOL_ALLOWED_HOSTS: `name`, `*.name` for all below it, each with `:port` where it is not the scheme's usual one. */
  readonly allowedHosts: readonly string[];
  /** LLM_GATEWAY_TOOL_PRIVATE_ADDRESSES. */
  readonly privateAddresses: boolean;
}

const usualPorts: Readonly<Record<string, string>> = { 'https:': '443', 'http:': '80' };

/** Why a registered tool may not be at a URL, naming the setting; null when it may. Names are looked up when they are connected to. */
export function refusalOf(url: URL, { allowedHosts, privateAddresses }: HostRules): string | null {
  if (allowedHosts.length === 0)
    return 'tools cannot be registered here: LLM_GATEWAY_TOOL_ALLOWED_HOSTS names no hosts';
  if (!allowedHosts.some((pattern) => matches(url, pattern)))
    return 'its host is not one of LLM_GATEWAY_TOOL_ALLOWED_HOSTS';
  if (privateAddresses) return null;
  if (url.protocol !== 'https:')
    return 'it has to be https, unless LLM_GATEWAY_TOOL_PRIVATE_ADDRESSES is true';
  const address = url.hostname.replace(/^\[|\]$/g, '');
  return isIP(address) !== 0 && !isPublicAddress(address)
    ? 'its address is not of the public network, and LLM_GATEWAY_TOOL_PRIVATE_ADDRESSES is not true'
    : null;
}

function matches({ hostname, port, protocol }: URL, pattern: string): boolean {
  const usual = usualPorts[protocol] ?? '';
  const [, name = '', patternPort = usual] = /^(.*?)(?::(\d+))?$/.exec(pattern) ?? [];
  if ((port || usual) !== patternPort) return false;
  return name.startsWith('*.')
    ? hostname.endsWith(name.slice(1)) && hostname !== name.slice(1)
    : hostname === name;
}
