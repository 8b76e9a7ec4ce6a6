import { anonymous, type Principal } from './principal.ts';

/** What of a request says who makes it. */
export interface Credentials {
  /** Path without query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/**
 * Finds out who makes a request. A promise only where something has to be asked, so that the others go on at once.
 * @throws GatewayError UNAUTHENTICATED for who gives no or a wrong proof, DEPENDENCY_UNAVAILABLE where that cannot be found out
 */
export type Authenticate = (credentials: Credentials) => Principal | Promise<Principal>;

/** Nobody is asked for a proof. */
export const everybody: Authenticate = () => anonymous;
