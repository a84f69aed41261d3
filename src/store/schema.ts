/** Grows by one with each change of the tables; kept in the file as SQLite's `user_version`. */
export const schemaVersion = 2;

/** Hash trees of artifacts, which go with them: a row of `artifact` that is deleted or replaced takes its tree's along. */
const verity = `
CREATE TABLE verity (
  key TEXT PRIMARY KEY REFERENCES artifact (key) ON DELETE CASCADE,
  file TEXT NOT NULL,
  root_hash TEXT NOT NULL,
  salt TEXT NOT NULL,
  data_blocks INTEGER NOT NULL,
  size INTEGER NOT NULL,
  digest TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;

/**
 * What the files do not say by themselves: names, use and leases. Times are milliseconds since 1970, digests text. All
 * of `image` can be had again from index.json and the blobs (`recovery.ts`), `artifact` can be rendered again.
 */
export const schema = `
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO state VALUES ('dirty', 0);

CREATE TABLE image (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  reference TEXT NOT NULL,
  platform TEXT NOT NULL,
  manifest TEXT NOT NULL,
  config TEXT NOT NULL,
  target TEXT NOT NULL,
  description TEXT NOT NULL,
  pulled INTEGER NOT NULL,
  used INTEGER NOT NULL,
  UNIQUE (reference, platform)
) STRICT;

CREATE TABLE artifact (
  key TEXT PRIMARY KEY,
  file TEXT NOT NULL,
  manifest TEXT NOT NULL,
  format TEXT NOT NULL,
  size INTEGER NOT NULL,
  digest TEXT,
  created INTEGER NOT NULL,
  used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lease (id TEXT PRIMARY KEY, purpose TEXT NOT NULL, touched INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE lease_digest (
  lease TEXT NOT NULL REFERENCES lease (id) ON DELETE CASCADE,
  digest TEXT NOT NULL,
  PRIMARY KEY (lease, digest)
) STRICT, WITHOUT ROWID;
${verity}`;

/** What makes the tables of a version those of the next; by the version that it is for. */
export const migrations: Readonly<Record<number, string>> = { 1: verity };
