/** Something that the gateway remembers for a client that cannot send it back. */
export interface Memo {
  /** A digest: says nothing of what it belongs to. */
  readonly key: string;
  readonly body: Uint8Array;
}

/** Where processes and gateways find each other's memos. What is lost is forgotten, no more: nothing that a client was promised is here. */
export interface MemoStore {
  /** Writes memos for `ttlMs`; those that are there are replaced. @throws GatewayError DEPENDENCY_UNAVAILABLE */
  write(memos: readonly Memo[], ttlMs: number): Promise<void>;
  /** Those of the keys that there are; they live `ttlMs` from now on. @throws GatewayError DEPENDENCY_UNAVAILABLE */
  read(keys: readonly string[], ttlMs: number): Promise<Map<string, Uint8Array>>;
}
