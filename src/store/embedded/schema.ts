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
];
