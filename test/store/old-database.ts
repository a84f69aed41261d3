import { chmodSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** What version 2 had in place of today's tables. */
const version2 = `
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
`;
const verity2 = `
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

/** Makes of a cache, which nobody has open, one that an earlier version left: its rows without what it did not know, its modes. */
export function makeOld(root: string, version: 1 | 2): void {
  const connection = new DatabaseSync(path.join(root, 'shale.db'));
  const [artifacts, trees] = ['artifact', 'verity'].map(name =>
    connection.prepare(`SELECT * FROM ${name}`).all(),
  );
  connection.exec(`DROP TABLE verity; DROP TABLE artifact; ${version2}`);
  for (const { key, file, subject, format, size, digest, created, used } of artifacts!) {
    connection
      .prepare('INSERT INTO artifact VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
      .run(key!, file!, subject!, format!, size!, digest!, created!, used!);
  }
  if (version === 2) {
    connection.exec(verity2);
    for (const tree of trees!) {
      connection.prepare('INSERT INTO verity VALUES (?, ?, ?, ?, ?, ?, ?)').run(...Object.values(tree));
    }
  }
  connection.exec(`PRAGMA user_version = ${version}`);
  connection.close();
  const directory = path.join(root, 'artifacts');
  for (const name of readdirSync(directory)) chmodSync(path.join(directory, name), 0o600);
}
