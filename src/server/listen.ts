import type { AddressInfo } from 'node:net';
import { ConfigError } from '../config/problems.ts';
import type { Port } from './port.ts';

/** Listens at the configured address. @throws ConfigError when it cannot be had */
export async function listen(
  port: Port,
  { host, port: number }: { readonly host: string; readonly port: number },
): Promise<AddressInfo> {
  try {
    return await port.listen({ host, port: number });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError([
      `LLM_GATEWAY_HOST, LLM_GATEWAY_PORT: cannot listen on ${host}:${number} (${code})`,
    ]);
  }
}
