import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import {
  giveReserve,
  isDiskFull,
  isSqlite,
  openDatabaseFile,
  SqliteConnection,
  setAsideReserve,
} from '../host/index.ts';
import { SnapshotError } from './error.ts';
import { schema, schemaVersion } from './schema.ts';

/** How long to wait for another process's transaction, in milliseconds. All of ours are short. */
const patience = 60_000;

/** The database of a driver's snapshots, shared with other processes. SnapshotErrors. */
export class SnapshotDatabase extends SqliteConnection {
  readonly #path: string;

  /** Opens it, and makes it if it is not there. SnapshotError: `unsupported` if a newer Shale made it, `corrupt`, `denied`, `unavailable`, `exhausted`. */
  constructor(path: string) {
    super(
      withReserve(path, () => connect(path)),
      error => explain(error, path),
    );
    this.#path = path;
    try {
      this.writeToFree(() => this.#create(path));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** `write` for what makes room in the end: on a full disk it takes what is set aside. */
  writeToFree<T>(work: () => T): T {
    const result = withReserve(this.#path, () => this.write(work));
    setAsideReserve(reserveOf(this.#path));
    return result;
  }

  #create(path: string): void {
    const { user_version: version } = this.first('PRAGMA user_version') as { user_version: number };
    if (version > schemaVersion) {
      throw new SnapshotError('unsupported', `${path} was made by a newer Shale (version ${version})`, {
        detail: { path, version, known: schemaVersion },
        hint: 'use that Shale, or another --root',
      });
    }
    if (version === 0) this.execute(`${schema} PRAGMA user_version = ${schemaVersion};`);
  }
}

/** Room beside the database. */
const reserveOf = (path: string) => `${path}-reserve`;

function withReserve<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof SnapshotError) || error.code !== 'exhausted' || !giveReserve(reserveOf(path)))
      throw error;
    return work();
  }
}

function connect(path: string): DatabaseSync {
  const url = pathToFileURL(path);
  url.searchParams.set('mode', 'rwc');
  let connection: DatabaseSync | undefined;
  try {
    connection = openDatabaseFile(url, patience);
    keepLog(connection);
    // FULL: in WAL mode a commit is otherwise durable only at the next checkpoint.
    connection.exec('PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
    return connection;
  } catch (error) {
    connection?.close();
    throw explain(error, path);
  }
}

/** WAL mode. SQLite does not wait for others where a new file gets it: of several that make it at once, one is told that it is busy. */
function keepLog(connection: DatabaseSync): void {
  for (const end = performance.now() + patience; ; ) {
    try {
      connection.exec('PRAGMA journal_mode = WAL');
      return;
    } catch (error) {
      if (!isSqlite(error, 'busy') || performance.now() > end) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

function explain(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !('errcode' in error)) return error;
  const failure = (code: ConstructorParameters<typeof SnapshotError>[0], why: string, hint?: string) =>
    new SnapshotError(code, `${path}: ${why}`, {
      cause: error,
      detail: { path, sqlite: error.errcode },
      ...(hint !== undefined && { hint }),
    });
  if (isSqlite(error, 'busy'))
    return failure('unavailable', 'another process keeps the snapshots locked', 'try again');
  if (isSqlite(error, 'corrupt', 'notDatabase')) {
    return failure(
      'corrupt',
      'the database of the snapshots is damaged',
      'remove the driver’s directory: its snapshots are lost',
    );
  }
  if (isSqlite(error, 'readOnly', 'cannotOpen'))
    return failure('denied', 'the database of the snapshots cannot be written');
  // What several processes share is made without asking for room: then SQLite knows of an error only.
  if (isSqlite(error, 'full') || (isSqlite(error, 'inputOutput') && isDiskFull(dirname(path))))
    return failure('exhausted', 'the disk is full', 'make room');
  if (isSqlite(error, 'inputOutput')) return failure('unavailable', 'the disk under the snapshots fails');
  return failure('internal', error.message);
}
