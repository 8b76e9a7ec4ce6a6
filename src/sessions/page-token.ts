import { invalidRequest } from '../errors/gateway-error.ts';
import { isListKey } from './store.ts';

// Page tokens are opaque to clients: what is in them may change.

export const encodePageToken = (key: string): string =>
  key === '' ? '' : Buffer.from(key).toString('base64url');

/** @throws GatewayError INVALID_REQUEST that names `field` */
export function decodePageToken(token: string, field: string): string {
  if (token === '') return '';
  const key = Buffer.from(token, 'base64url').toString('utf8');
  if (!isListKey(key) || encodePageToken(key) !== token) {
    throw invalidRequest(field, `${field} has to be the token that came with the page before`);
  }
  return key;
}
