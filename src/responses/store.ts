/** What a response is stored under. Times are in microseconds since 1970, on the gateway's clock. */
export interface ResponseFacts {
  readonly id: string;
  readonly createdUs: number;
  /** From then on it is not there any more. */
  readonly expiresUs: number;
}

/** A response to store: as it begins, or whole. */
export interface NewResponse extends ResponseFacts {
  /** Response in Protobuf's binary form. */
  readonly body: Uint8Array;
  /** Items in Protobuf's binary form: all that came before the output, the history first. */
  readonly input: readonly Uint8Array[];
  /** Who has it made, as text that is for whoever goes on with it. */
  readonly maker: string;
  /** Who works at it, and for how long until it has to be heard of again; null: nobody yet, it is queued; "over": nobody has to. */
  readonly open: { readonly holder: string; readonly leaseMs: number } | null | 'over';
}

/** A response as it is stored. */
export interface StoredResponse extends ResponseFacts {
  readonly body: Uint8Array;
  readonly input: readonly Uint8Array[];
  /** See NewResponse.maker. */
  readonly maker: string;
  /** Whether somebody has to go on with it. */
  readonly open: boolean;
  /** Whoever worked at it has not been heard of for longer than the lease: it has to be ended. Never of one that is queued. */
  readonly abandoned: boolean;
  /** A client wants it stopped. */
  readonly cancelled: boolean;
  /** How many events are in its log. */
  readonly eventCount: number;
}

/** New events of a response under way. */
export interface EventAppend {
  readonly holder: string;
  /** How many events the log has before these. */
  readonly after: number;
  /** ResponseEvents in Protobuf's binary form. */
  readonly events: readonly Uint8Array[];
  /** Bound of the response with all that belongs to it, in bytes. */
  readonly maxBytes: number;
}

/** The end of a response. */
export interface ResponseEnd extends EventAppend {
  /** The response as it is in the end. */
  readonly body: Uint8Array;
}

/**
 * What a step of whoever works at a response came to. `cancelled`: it is done, and a client wants the response stopped; `gone`: it has
 * expired or was deleted; `lost`: somebody else has it, or has ended it; `full`: the log would be larger than it may be.
 */
export type StepResult = 'done' | 'cancelled' | 'gone' | 'lost' | 'full';

/** What became of a wish to stop a response: the one who works at it will learn of it; nobody works at it; it was over already. */
export type CancelResult = 'asked' | 'unheld' | 'over' | 'gone';

/** A response that somebody has to go on with. */
export interface ClaimedResponse {
  readonly tenant: string;
  readonly response: StoredResponse;
  /** Whether it had been begun by one that was not heard of any more. */
  readonly wasBegun: boolean;
}

export interface EventPage {
  /** In order, from the first that was asked for. */
  readonly events: readonly Uint8Array[];
  /** Whether the response is over, so that no event will come after those that are in the log. */
  readonly over: boolean;
  readonly abandoned: boolean;
}

/** A conversation: labels, and items that responses add to. */
export interface ConversationFacts {
  readonly id: string;
  readonly createdUs: number;
  readonly expiresUs: number;
  /** JSON object text of texts. */
  readonly metadataJson: string;
}

/** An item of a conversation. */
export interface ConversationItem {
  /** Unique in the conversation. */
  readonly id: string;
  /** Item in Protobuf's binary form. */
  readonly body: Uint8Array;
}

/** Which items of a conversation. */
export interface ItemQuery {
  readonly limit: number;
  /** Id of the item to start after; '' for none. */
  readonly after: string;
  readonly ascending: boolean;
}

export interface ItemQueryResult {
  readonly items: readonly ConversationItem[];
  readonly hasMore: boolean;
}

/** Items to add to a conversation. */
export interface ItemAppend {
  readonly items: readonly ConversationItem[];
  /** Bound of the conversation, in bytes. */
  readonly maxBytes: number;
  /** How many items it had when the adding call read it; it is refused when there are others. Null: whatever there is. */
  readonly after: number | null;
}

/**
 * Keeps responses and conversations. Each method is one decision that happens wholly or not at all; all of them reject with a GatewayError
 * DEPENDENCY_UNAVAILABLE when the store is out of reach, in which case it is not known whether it happened. What was acknowledged is there
 * for the next reader, on any gateway.
 *
 * Every key begins with the tenant. What has expired is not there, whenever its data are cleared away.
 */
export interface ResponseStore {
  /** Repeated, it changes nothing, whatever has become of the response since. How large one may be its maker sees to. */
  create(tenant: string, response: NewResponse): Promise<void>;
  read(tenant: string, id: string): Promise<StoredResponse | null>;
  /** False when there is none. Whoever works at it finds it gone. */
  delete(tenant: string, id: string): Promise<boolean>;

  /**
   * Adds events to the log and renews the lease, also one that ran out, as long as nobody else has the response. Repeated, it adds nothing and
   * says what the first time came to: events that the log has already after `after` are compared, and only those that follow are added, so
   * that events whose answer was lost can come again with further ones. `lost` as well when they differ, or would leave a gap.
   */
  append(tenant: string, id: string, what: EventAppend, leaseMs: number): Promise<StepResult>;
  /** Renews the lease, or shortens it: who will not go on gives the response back with a lease of 0. */
  extend(tenant: string, id: string, holder: string, leaseMs: number): Promise<StepResult>;
  /** Adds the last events as `append` does and ends it, in one step. Repeated, it says what the first time came to. */
  end(tenant: string, id: string, what: ResponseEnd): Promise<StepResult>;
  /** Events from number `from` on, at most `limit`; null when there is no such response. */
  events(tenant: string, id: string, from: number, limit: number): Promise<EventPage | null>;
  /** Asks whoever works at it to stop. */
  cancel(tenant: string, id: string): Promise<CancelResult>;
  /** Gives `holder` a response by id that is queued or abandoned, or that it has already; null when there is none or somebody has it. */
  take(tenant: string, id: string, holder: string, leaseMs: number): Promise<ClaimedResponse | null>;
  /** Finds one that is queued or abandoned, whoever's, and gives it to `holder`; null when there is none. */
  claim(holder: string, leaseMs: number): Promise<ClaimedResponse | null>;

  /** Makes items findable by ids that do not say themselves whose they are. One of two responses is found in the later one. */
  indexItems(tenant: string, facts: ResponseFacts, itemIds: readonly string[]): Promise<void>;
  /** Id of the response that an item was indexed for; null when there is none. */
  findItem(tenant: string, itemId: string): Promise<string | null>;

  /** Repeated, it changes nothing. */
  createConversation(
    tenant: string,
    facts: ConversationFacts,
    items: readonly ConversationItem[],
  ): Promise<void>;
  readConversation(tenant: string, id: string): Promise<ConversationFacts | null>;
  /** False when there is none. */
  updateConversation(tenant: string, id: string, metadataJson: string): Promise<boolean>;
  /** False when there is none. */
  deleteConversation(tenant: string, id: string): Promise<boolean>;
  /** All items in order; null when there is no such conversation. */
  conversationItems(tenant: string, id: string): Promise<readonly ConversationItem[] | null>;
  /** Null when there is no such conversation, or no such item to start after. */
  listItems(tenant: string, id: string, query: ItemQuery): Promise<ItemQueryResult | null>;
  readItem(tenant: string, id: string, itemId: string): Promise<ConversationItem | null>;
  /**
   * All of them, which have different ids, or none. When all are there just so, this is a repetition, and is `saved`. `gone`: there is no
   * such conversation; `lost`: an item with one of the ids is there, or there are other items than `after` says; `full`: it would be too
   * large.
   */
  addItems(tenant: string, id: string, what: ItemAppend): Promise<'saved' | 'gone' | 'lost' | 'full'>;
  /** False when there is none. */
  deleteItem(tenant: string, id: string, itemId: string): Promise<boolean>;
}
