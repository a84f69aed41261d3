import { lstatSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { ShaleError } from '../error/index.ts';
import { isDiskFull } from '../host/reserve.ts';
import { isSqlite, openDatabaseFile } from '../host/sqlite.ts';
import { SqliteConnection } from '../host/sqlite-connection.ts';
import { StoreError } from './error.ts';
import { migrations, schema, schemaVersion } from './schema.ts';

/** How long to wait for another process's transaction, in milliseconds. All of ours are short. */
const patience = 60_000;

export type { Row } from '../host/sqlite-connection.ts';

/** The one connection of a Store. SQLite's failures become StoreErrors here. */
export class Database extends SqliteConnection {
  readonly path: string;
  readonly #inode: bigint | undefined;

  constructor(path: string, connection: DatabaseSync) {
    super(connection, error => wrapSqlite(error, path));
    this.path = path;
    this.#inode = findInode(path);
  }

  override write<T>(work: () => T): T {
    return super.write(() => {
      this.#checkPlace();
      return work();
    });
  }

  /** What is written to a file that was moved aside, as damaged, would be lost without a word. */
  #checkPlace(): void {
    if (findInode(this.path) === this.#inode) return;
    throw new StoreError('conflict', `${this.path} was replaced while it was in use`, {
      detail: { path: this.path },
      hint: 'run the command again',
    });
  }
}

function findInode(path: string): bigint | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** What a database file turned out to be. */
export type Found = Database | 'missing' | 'unfinished' | 'damaged';

/** Opens the database if it is there and of our version; a newer one is StoreError `unsupported`. */
export function findDatabase(path: string): Found {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return 'missing';
  let connection: DatabaseSync | undefined;
  try {
    connection = connect(path, 'rw');
    const { user_version: version } = connection.prepare('PRAGMA user_version').get() as {
      user_version: number;
    };
    if (version > schemaVersion) {
      throw new StoreError('unsupported', `${path} was made by a newer Shale (version ${version})`, {
        detail: { path, version, known: schemaVersion },
        hint: 'use that Shale, or another --root',
      });
    }
    if (version > 0) {
      if (version < schemaVersion) migrate(connection);
      connection.prepare('SELECT value FROM state').all();
      const database = new Database(path, connection);
      connection = undefined;
      return database;
    }
    return version === 0 ? 'unfinished' : 'damaged';
  } catch (error) {
    if (isSqlite(error, 'corrupt', 'notDatabase')) return 'damaged';
    // A table that is missing where the version says it is there.
    if ((error as { errcode?: number }).errcode === 1) return 'damaged';
    if (isSqlite(error, 'cannotOpen') && lstatSync(path, { throwIfNoEntry: false }) === undefined)
      return 'missing';
    throw wrapSqlite(error, path);
  } finally {
    connection?.close();
  }
}

/** Brings the tables of an earlier version up to date, whoever else does the same; what is in them stays. */
function migrate(connection: DatabaseSync): void {
  connection.exec('BEGIN IMMEDIATE');
  const read = connection.prepare('PRAGMA user_version');
  for (;;) {
    const { user_version: version } = read.get() as { user_version: number };
    const step = migrations[version];
    if (step === undefined) break;
    connection.exec(`${step} PRAGMA user_version = ${version + 1};`);
  }
  connection.exec('COMMIT');
}

/** Makes a database where nothing is yet. Whoever calls this holds the layout's lock, and renames the result. */
export function createDatabase(path: string): Database {
  try {
    const connection = connect(path, 'rwc');
    connection.exec('PRAGMA journal_mode = WAL');
    connection.exec(`BEGIN; ${schema} PRAGMA user_version = ${schemaVersion}; COMMIT`);
    return new Database(path, connection);
  } catch (error) {
    throw wrapSqlite(error, path);
  }
}

function connect(path: string, mode: 'rw' | 'rwc'): DatabaseSync {
  const url = pathToFileURL(path);
  url.searchParams.set('mode', mode);
  const connection = openDatabaseFile(url, patience);
  // FULL: in WAL mode a commit is otherwise durable only at the next checkpoint.
  try {
    connection.exec('PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF');
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

function wrapSqlite(error: unknown, path: string): unknown {
  if (error instanceof ShaleError || !(error instanceof Error) || !('errcode' in error)) return error;
  const { errcode } = error;
  const of = (
    code: 'unavailable' | 'corrupt' | 'denied' | 'exhausted' | 'internal',
    why: string,
    hint?: string,
  ) =>
    new StoreError(code, `${path}: ${why}`, {
      cause: error,
      detail: { path, sqlite: errcode },
      ...(hint === undefined ? {} : { hint }),
    });
  if (isSqlite(error, 'busy'))
    return of('unavailable', 'another process keeps the cache locked', 'try again');
  if (isSqlite(error, 'corrupt', 'notDatabase')) {
    return of('corrupt', 'the database of the cache is damaged', 'shale fsck --repair rebuilds it');
  }
  if (isSqlite(error, 'readOnly')) return of('denied', 'the database of the cache cannot be written');
  const isFull =
    isSqlite(error, 'full') || (isSqlite(error, 'inputOutput', 'cannotOpen') && isDiskFull(dirname(path)));
  if (isFull) return of('exhausted', 'the disk is full', 'make room: shale gc, or shale rm');
  if (isSqlite(error, 'cannotOpen')) return of('denied', 'the database of the cache cannot be opened');
  if (isSqlite(error, 'inputOutput')) return of('unavailable', 'the disk under the cache fails');
  return of('internal', error.message);
}
