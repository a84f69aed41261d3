import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { isSqlite, openDatabaseFile } from '../host/index.ts';
import { SnapshotError } from './error.ts';
import { schema, schemaVersion } from './schema.ts';

/** How long to wait for another process's transaction, in milliseconds. All of ours are short. */
const patience = 60_000;

export type Row = Readonly<Record<string, string | number | null>>;

/** The database of a driver's snapshots, shared with other processes. Synchronous: no two tasks of a process are ever inside one transaction. */
export class SnapshotDatabase implements Disposable {
  readonly #path: string;
  readonly #connection: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** Opens it, and makes it if it is not there. SnapshotError: `unsupported` if a newer Shale made it, `corrupt`, `denied`, `unavailable`, `exhausted`. */
  constructor(path: string) {
    this.#path = path;
    const url = pathToFileURL(path);
    url.searchParams.set('mode', 'rwc');
    try {
      this.#connection = openDatabaseFile(url, patience);
      // FULL: in WAL mode a commit is otherwise durable only at the next checkpoint.
      this.#connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
    } catch (error) {
      throw explain(error, path);
    }
    try {
      this.write(() => this.#create());
    } catch (error) {
      this.#connection.close();
      throw error;
    }
  }

  all(sql: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.#guard(() => this.#prepare(sql).all(...values) as unknown as readonly Row[]);
  }

  first(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#guard(() => this.#prepare(sql).get(...values) as unknown as Row | undefined);
  }

  run(sql: string, ...values: SQLInputValue[]): { readonly changes: number; readonly id: number } {
    return this.#guard(() => {
      const { changes, lastInsertRowid } = this.#prepare(sql).run(...values);
      return { changes: Number(changes), id: Number(lastInsertRowid) };
    });
  }

  /** Runs `work` alone among the writers of all processes; what it changed is durable when this returns, and undone if it throws. */
  write<T>(work: () => T): T {
    this.#guard(() => this.#connection.exec('BEGIN IMMEDIATE'));
    try {
      const result = work();
      this.#guard(() => this.#connection.exec('COMMIT'));
      return result;
    } catch (error) {
      if (this.#connection.isOpen && this.#connection.isTransaction) this.#connection.exec('ROLLBACK');
      throw error;
    }
  }

  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  [Symbol.dispose](): void {
    if (this.#connection.isOpen) this.#connection.close();
  }

  #create(): void {
    const { user_version: version } = this.first('PRAGMA user_version') as { user_version: number };
    if (version > schemaVersion) {
      throw new SnapshotError('unsupported', `${this.#path} was made by a newer Shale (version ${version})`, {
        detail: { path: this.#path, version, known: schemaVersion },
        hint: 'use that Shale, or another --root',
      });
    }
    if (version === 0)
      this.#guard(() => this.#connection.exec(`${schema} PRAGMA user_version = ${schemaVersion};`));
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw explain(error, this.#path);
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
  if (isSqlite(error, 'full') || (isSqlite(error, 'inputOutput') && isFull(path)))
    return failure('exhausted', 'the disk is full', 'make room');
  if (isSqlite(error, 'inputOutput')) return failure('unavailable', 'the disk under the snapshots fails');
  return failure('internal', error.message);
}

function isFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize < 65_536;
  } catch {
    return false;
  }
}
