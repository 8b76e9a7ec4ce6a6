import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { Config } from '../config/load.ts';
import { ConfigError } from '../config/problems.ts';

/** @throws ConfigError when it is none, or the key is another's */
export function readCertificate(
  { tlsCert, tlsKey }: Config,
  readFile = (file: string): string => readFileSync(file, 'utf8'),
): { cert: string; key: string } {
  const certificate = { cert: readFile(tlsCert), key: readFile(tlsKey) };
  try {
    createSecureContext(certificate);
  } catch (error) {
    throw new ConfigError([
      `LLM_GATEWAY_TLS_CERT, LLM_GATEWAY_TLS_KEY: ${tlsCert} and ${tlsKey} are no certificate with its key in PEM (${(error as Error).message})`,
    ]);
  }
  return certificate;
}
