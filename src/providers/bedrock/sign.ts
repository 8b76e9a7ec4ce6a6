import { createHmac, hash } from 'node:crypto';
import type { SignedRequest } from '../http-api.ts';

/** Who signs, and for what. */
export interface Signer {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials; '' for none. */
  readonly sessionToken: string;
  readonly region: string;
  /** Name of the service in the signature's scope: `bedrock` for all of Bedrock. */
  readonly service: string;
}

/**
 * Makes the headers that sign a request with AWS Signature Version 4. The key is derived once a day; a request costs two hashes and one HMAC,
 * a few microseconds beside the hash of its body.
 * @param now clock, in Unix milliseconds
 *
 * Source: "Create a signed AWS API request" in the IAM user guide. Written here because it has to be synchronous and small: the libraries
 * are either asynchronous or bring a client of their own.
 */
export function awsSigner(
  signer: Signer,
  now: () => number = Date.now,
): (request: SignedRequest) => Record<string, string> {
  const { accessKeyId, sessionToken, region, service } = signer;
  let keyDate = '';
  let key: Buffer = Buffer.alloc(0);
  return (request) => {
    // 2015-08-30T12:36:00.000Z is written 20150830T123600Z.
    const time = new Date(now()).toISOString().replace(/[:-]|\.\d{3}/g, '');
    const date = time.slice(0, 8);
    if (date !== keyDate) {
      key = signingKey(signer, date);
      keyDate = date;
    }
    const added: Record<string, string> = { 'x-amz-date': time };
    if (sessionToken !== '') added['x-amz-security-token'] = sessionToken;
    const { canonical, signedHeaders } = canonicalRequest(request, added);
    const scope = `${date}/${region}/${service}/aws4_request`;
    const toSign = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${hash('sha256', canonical)}`;
    const signature = createHmac('sha256', key).update(toSign).digest('hex');
    added['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
    return added;
  };
}

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

const signingKey = ({ secretAccessKey, region, service }: Signer, date: string): Buffer =>
  hmac(hmac(hmac(hmac(`AWS4${secretAccessKey}`, date), region), service), 'aws4_request');

/** Headers that are signed; others may be changed on the way. */
const isSigned = (name: string): boolean => name === 'content-type' || name.startsWith('x-amz');

function canonicalRequest(
  { method, origin, path, headers, body }: SignedRequest,
  added: Readonly<Record<string, string>>,
): { canonical: string; signedHeaders: string } {
  const [pathname = '/', query = ''] = splitPath(path);
  const all: Record<string, string> = { ...headers, ...added, host: new URL(origin).host };
  const names = Object.keys(all)
    .filter((name) => name === 'host' || isSigned(name))
    .sort();
  const lines = names.map((name) => `${name}:${(all[name] ?? '').trim().replace(/\s+/g, ' ')}\n`);
  const signedHeaders = names.join(';');
  const canonical =
    `${method}\n${canonicalPath(pathname)}\n${canonicalQuery(query)}\n${lines.join('')}\n${signedHeaders}\n` +
    hash('sha256', body);
  return { canonical, signedHeaders };
}

function splitPath(path: string): [pathname: string, query: string] {
  const at = path.indexOf('?');
  return at === -1 ? [path, ''] : [path.slice(0, at), path.slice(at + 1)];
}

/** As RFC 3986 says, which leaves less than `encodeURIComponent` does. */
export const percentEncode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

/** Encoded once more than it is sent, for every service but S3. */
const canonicalPath = (pathname: string): string => pathname.split('/').map(percentEncode).join('/');

function canonicalQuery(query: string): string {
  if (query === '') return '';
  return query
    .split('&')
    .map((pair) => {
      const at = pair.indexOf('=');
      const [name, value] = at === -1 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
      return [name, value].map((part) => percentEncode(decodeURIComponent(part)));
    })
    .sort(([a = '', x = ''], [b = '', y = '']) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}
