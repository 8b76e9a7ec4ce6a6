import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';

export interface IssuerKeysOptions {
  readonly issuer: string;
  /** Null: the issuer's discovery document says where they are. */
  readonly url: string | null;
  /** Milliseconds on any clock that only goes forward. */
  readonly now?: () => number;
  /** Told when the issuer's keys cannot be read, and when they can be again. */
  readonly onChange?: (reachable: boolean, why: string) => void;
}

/** After how long keys are read again in the background, in milliseconds: from then on those that an issuer withdrew count no more. */
const refreshMs = 300_000;
/** Keys are not read more often, however many tokens name unknown ones, in milliseconds. */
const pauseMs = 5_000;
/** Longest wait for one answer, in milliseconds. */
const timeoutMs = 5_000;
const maxBytes = 512 * 1024;

type LocalKeys = ReturnType<typeof createLocalJWKSet>;

/**
 * The public keys of an issuer. They are read when they are first needed, again in the background from time to time, and at once when a token names one
 * that is not known. While they cannot be read, those that are known stay.
 */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  readonly #now: () => number;
  #keys: LocalKeys | null = null;
  #text = '';
  /** When the last reading began, and when the last one that succeeded did. */
  #triedAt = Number.NEGATIVE_INFINITY;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;
  #failed: GatewayError | null = null;
  /** Grows whenever the keys are others: what was checked by the old ones has to be checked again. */
  generation = 0;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Reads the keys again in the background, when it is time to. */
  refresh(): void {
    if (this.#keys === null || this.#now() - this.#readAt < refreshMs) return;
    if (this.#now() - this.#triedAt >= pauseMs) this.#read().catch(() => {});
  }

  /**
   * The key of a token, for jose.
   * @param onFound told of which generation the keys are among which it is looked for
   * @throws GatewayError DEPENDENCY_UNAVAILABLE when it is not known whether there is one
   */
  async find(
    [header, token]: Parameters<JWTVerifyGetKey>,
    onFound: (generation: number) => void,
  ): Promise<Awaited<ReturnType<JWTVerifyGetKey>>> {
    if (this.#keys === null) await this.#readOnce();
    try {
      onFound(this.generation);
      return await (this.#keys as LocalKeys)(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      if (this.#reading === null && this.#failed === null && this.#now() - this.#triedAt < pauseMs)
        throw error;
      await this.#readOnce();
      onFound(this.generation);
      return (this.#keys as LocalKeys)(header, token);
    }
  }

  /** As often as is allowed; in between the last failure counts. */
  async #readOnce(): Promise<void> {
    if (this.#reading === null && this.#failed !== null && this.#now() - this.#triedAt < pauseMs) {
      throw this.#failed;
    }
    await this.#read();
  }

  #read(): Promise<void> {
    this.#reading ??= this.#fetchKeys().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #fetchKeys(): Promise<void> {
    const { issuer, url, onChange } = this.#options;
    const began = this.#now();
    this.#triedAt = began;
    try {
      const text = await readText(url ?? (await discover(issuer)));
      if (text !== this.#text) {
        this.#keys = createLocalJWKSet(withoutSecrets(JSON.parse(text)));
        this.#text = text;
        this.generation++;
      }
      this.#readAt = began;
      if (this.#failed !== null) onChange?.(true, '');
      this.#failed = null;
    } catch (error) {
      const why = reasonOf(error);
      if (this.#failed === null) onChange?.(false, why);
      this.#failed = new GatewayError(
        ErrorReason.DEPENDENCY_UNAVAILABLE,
        `the keys of the issuer of tokens ${issuer} cannot be read: ${why}`,
        { cause: error },
      );
      throw this.#failed;
    }
  }
}

class WrongAnswer extends Error {}

async function discover(issuer: string): Promise<string> {
  const document: unknown = JSON.parse(
    await readText(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`),
  );
  const { issuer: named, jwks_uri: url } = (document ?? {}) as { issuer?: unknown; jwks_uri?: unknown };
  if (named !== issuer) throw new WrongAnswer('its discovery document is of another issuer');
  if (typeof url !== 'string' || !/^https?:/.test(url) || !URL.canParse(url))
    throw new WrongAnswer('its discovery document names no keys');
  return url;
}

async function readText(url: string): Promise<string> {
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new WrongAnswer(`it answers with status ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new WrongAnswer('its answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Keys for signatures that a shared secret makes are not taken, whatever the issuer says. */
function withoutSecrets(json: unknown): JSONWebKeySet {
  const keys = (json as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys)) throw new WrongAnswer('its answer is no set of keys');
  return {
    keys: keys.filter(
      (key) => typeof key === 'object' && key !== null && typeof key.kty === 'string' && key.kty !== 'oct',
    ),
  };
}

/** In words of ours: addresses and answers of others stay out. */
function reasonOf(error: unknown): string {
  if (error instanceof WrongAnswer) return error.message;
  if (error instanceof SyntaxError) return 'its answer is not valid JSON';
  if (error instanceof Error && error.name === 'TimeoutError') return 'no answer in time';
  return 'it could not be reached';
}
