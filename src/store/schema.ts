/** Grows by one with each change of the tables; kept in the file as SQLite's `user_version`. */
export const schemaVersion = 3;

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
 * of `image` can be had again from index.json and the blobs (`recovery.ts`), `artifact` can be rendered again; its
 * `subject` is a manifest's digest, or, `of_layer`, a diffID, and `description` is what `key` is the sha256 of.
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
  subject TEXT NOT NULL,
  format TEXT NOT NULL,
  size INTEGER NOT NULL,
  digest TEXT,
  created INTEGER NOT NULL,
  used INTEGER NOT NULL,
  of_layer INTEGER NOT NULL DEFAULT 0,
  root_hash TEXT,
  salt TEXT NOT NULL DEFAULT '',
  data_blocks INTEGER NOT NULL DEFAULT 0,
  fsverity TEXT,
  description TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE lease (id TEXT PRIMARY KEY, purpose TEXT NOT NULL, touched INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE lease_digest (
  lease TEXT NOT NULL REFERENCES lease (id) ON DELETE CASCADE,
  digest TEXT NOT NULL,
  PRIMARY KEY (lease, digest)
) STRICT, WITHOUT ROWID;
${verity}`;

/**
 * Artifacts of layers, and hashes of all. What was stored before gets its hashes when somebody measures it; what has not
 * even a digest, so that nobody could say whether it is still what it was, is forgotten.
 */
const hashes = `
DELETE FROM artifact WHERE digest IS NULL;
ALTER TABLE artifact RENAME COLUMN manifest TO subject;
ALTER TABLE artifact ADD COLUMN of_layer INTEGER NOT NULL DEFAULT 0;
ALTER TABLE artifact ADD COLUMN root_hash TEXT;
ALTER TABLE artifact ADD COLUMN salt TEXT NOT NULL DEFAULT '';
ALTER TABLE artifact ADD COLUMN data_blocks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE artifact ADD COLUMN fsverity TEXT;
ALTER TABLE artifact ADD COLUMN description TEXT;
`;

/** What makes the tables of a version those of the next; by the version that it is for. */
export const migrations: Readonly<Record<number, string>> = { 1: verity, 2: hashes };
