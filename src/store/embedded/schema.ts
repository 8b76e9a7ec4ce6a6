/** What brings the tables from one version to the next; the version of a file is how many of them it has seen. Only ever added to. */
export const migrations: readonly string[] = [
  // Times are microseconds since 1970, but those of locks, which are milliseconds.
  `CREATE TABLE sessions (
     key INTEGER PRIMARY KEY,
     tenant TEXT NOT NULL,
     id TEXT NOT NULL,
     created INTEGER NOT NULL,
     expires INTEGER NOT NULL,
     context TEXT NOT NULL,
     bytes INTEGER NOT NULL,
     count INTEGER NOT NULL DEFAULT 0,
     holder TEXT,
     held_until INTEGER NOT NULL DEFAULT 0,
     saved TEXT,
     UNIQUE (tenant, id)
   ) STRICT;
   CREATE INDEX sessions_by_time ON sessions (tenant, created, id);
   CREATE INDEX sessions_by_expiry ON sessions (expires);
   CREATE TABLE session_messages (
     key INTEGER PRIMARY KEY,
     session INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
     position INTEGER NOT NULL,
     body BLOB NOT NULL,
     UNIQUE (session, position)
   ) STRICT;`,
  `CREATE TABLE tools (
     tenant TEXT NOT NULL,
     name TEXT NOT NULL,
     body TEXT NOT NULL,
     PRIMARY KEY (tenant, name)
   ) STRICT, WITHOUT ROWID;`,
  // Bodies and inputs are packed (packed.ts). `bytes` is what belongs to a response or a conversation, unpacked. `held_until` is when somebody
  // has to look after an open response, in milliseconds: the end of the lease, or the making of one that nobody began.
  `CREATE TABLE responses (
     key INTEGER PRIMARY KEY,
     tenant TEXT NOT NULL,
     id TEXT NOT NULL,
     created INTEGER NOT NULL,
     expires INTEGER NOT NULL,
     body BLOB NOT NULL,
     bytes INTEGER NOT NULL,
     count INTEGER NOT NULL DEFAULT 0,
     open INTEGER NOT NULL,
     holder TEXT,
     held_until INTEGER NOT NULL,
     begun INTEGER NOT NULL DEFAULT 0,
     cancelled INTEGER NOT NULL DEFAULT 0,
     UNIQUE (tenant, id)
   ) STRICT;
   CREATE INDEX responses_by_expiry ON responses (expires);
   CREATE INDEX responses_to_go_on_with ON responses (held_until) WHERE open = 1;
   CREATE TABLE response_inputs (
     response INTEGER PRIMARY KEY REFERENCES responses (key) ON DELETE CASCADE,
     items BLOB NOT NULL
   ) STRICT;
   CREATE TABLE response_events (
     key INTEGER PRIMARY KEY,
     response INTEGER NOT NULL REFERENCES responses (key) ON DELETE CASCADE,
     position INTEGER NOT NULL,
     body BLOB NOT NULL,
     UNIQUE (response, position)
   ) STRICT;
   CREATE TABLE response_items (
     tenant TEXT NOT NULL,
     id TEXT NOT NULL,
     response TEXT NOT NULL,
     expires INTEGER NOT NULL,
     PRIMARY KEY (tenant, id)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX response_items_by_expiry ON response_items (expires);
   CREATE TABLE conversations (
     key INTEGER PRIMARY KEY,
     tenant TEXT NOT NULL,
     id TEXT NOT NULL,
     created INTEGER NOT NULL,
     expires INTEGER NOT NULL,
     metadata TEXT NOT NULL,
     bytes INTEGER NOT NULL,
     UNIQUE (tenant, id)
   ) STRICT;
   CREATE INDEX conversations_by_expiry ON conversations (expires);
   CREATE TABLE conversation_items (
     key INTEGER PRIMARY KEY,
     conversation INTEGER NOT NULL REFERENCES conversations (key) ON DELETE CASCADE,
     id TEXT NOT NULL,
     body BLOB NOT NULL,
     UNIQUE (conversation, id)
   ) STRICT;
   CREATE INDEX conversation_items_in_order ON conversation_items (conversation);`,
  // Days are in UTC, as 2026-05-31. `pico` is money in picodollars; that of budgets is in nanodollars. `expires` is in milliseconds.
  `CREATE TABLE usage_totals (
     key INTEGER PRIMARY KEY,
     scope TEXT NOT NULL,
     day TEXT NOT NULL,
     dimension TEXT NOT NULL,
     name TEXT NOT NULL,
     requests INTEGER NOT NULL,
     prompt INTEGER NOT NULL,
     completion INTEGER NOT NULL,
     cached INTEGER NOT NULL,
     cache_write INTEGER NOT NULL,
     reasoning INTEGER NOT NULL,
     pico INTEGER NOT NULL,
     unpriced INTEGER NOT NULL,
     estimated INTEGER NOT NULL,
     aborted INTEGER NOT NULL,
     UNIQUE (scope, day, dimension, name)
   ) STRICT;
   CREATE INDEX usage_totals_by_day ON usage_totals (day);
   CREATE TABLE budgets (
     key INTEGER PRIMARY KEY,
     account TEXT NOT NULL UNIQUE,
     spent INTEGER NOT NULL,
     expires INTEGER
   ) STRICT;
   CREATE INDEX budgets_by_expiry ON budgets (expires);
   CREATE TABLE budget_holds (
     key INTEGER PRIMARY KEY,
     hold TEXT NOT NULL,
     account TEXT NOT NULL,
     amount INTEGER NOT NULL,
     expires INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX budget_holds_by_hold ON budget_holds (hold);
   CREATE INDEX budget_holds_by_account ON budget_holds (account);
   CREATE INDEX budget_holds_by_expiry ON budget_holds (expires);`,
  // Keys of clients, by their hashes. `maker` is who has a response made, for those that go on without a client.
  `CREATE TABLE api_keys (
     id TEXT PRIMARY KEY,
     hash TEXT NOT NULL UNIQUE,
     revision INTEGER NOT NULL,
     body TEXT NOT NULL,
     used INTEGER NOT NULL DEFAULT 0
   ) STRICT, WITHOUT ROWID;
   ALTER TABLE responses ADD COLUMN maker TEXT NOT NULL DEFAULT '';`,
  // Times are in milliseconds. A step is a time divided by its window's step.
  `CREATE TABLE limit_accounts (
     account TEXT PRIMARY KEY,
     last INTEGER NOT NULL,
     cool INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX limit_accounts_by_time ON limit_accounts (last);
   CREATE TABLE limit_entries (
     key INTEGER PRIMARY KEY,
     account TEXT NOT NULL,
     window INTEGER NOT NULL,
     step INTEGER NOT NULL,
     amount INTEGER NOT NULL,
     UNIQUE (account, window, step)
   ) STRICT;
   CREATE INDEX limit_entries_by_step ON limit_entries (window, step);
   CREATE TABLE limit_leases (
     account TEXT NOT NULL,
     lease TEXT NOT NULL,
     expires INTEGER NOT NULL,
     PRIMARY KEY (account, lease)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX limit_leases_by_expiry ON limit_leases (expires);`,
  // What workers remember together. Bodies are packed; `expires` is in milliseconds.
  `CREATE TABLE memos (
     key TEXT PRIMARY KEY,
     body BLOB NOT NULL,
     expires INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX memos_by_expiry ON memos (expires);`,
  // What an account was last counted by: its numbers, or '' where that is not known.
  `ALTER TABLE limit_accounts ADD COLUMN rule TEXT NOT NULL DEFAULT '';`,
];
