/** Grows by one with each change of the tables; kept in the file as SQLite's `user_version`. */
export const schemaVersion = 1;

/**
 * The tree of snapshots. `parent` of a snapshot that was removed stays until its place is cleared, for some drivers cannot remove a parent before.
 *
 * A row comes before what it stands for, and goes after it, so nothing on disk is ever without a row. `state` says what is under way:
 *
 * - `making`: the driver makes its place; `owner` does that. It cannot be seen yet, but its key is taken.
 * - `ready`: as `kind` says.
 * - `committing`: still active; the driver makes it fit to be the committed snapshot `name`, which is taken already.
 * - `removed`: it has no key any more; its place may still be there, or a part of it.
 *
 * `created` and `updated` are microseconds since 1970.
 *
 * Whoever finds a row whose owner does not run any more puts it right (`Metadata.abandoned`).
 */
export const schema = `
CREATE TABLE snapshot (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT UNIQUE,
  name TEXT UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('active', 'view', 'committed')),
  state TEXT NOT NULL CHECK (state IN ('making', 'ready', 'committing', 'removed')),
  owner TEXT,
  parent INTEGER REFERENCES snapshot (id),
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  size INTEGER,
  inodes INTEGER
) STRICT;
CREATE INDEX snapshot_parent ON snapshot (parent);

CREATE TABLE label (
  snapshot INTEGER NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (snapshot, name)
) STRICT, WITHOUT ROWID;
`;
