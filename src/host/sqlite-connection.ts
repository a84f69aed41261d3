import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';

export type Row = Readonly<Record<string, string | number | null>>;

/**
 * An open database file. Everything is synchronous, so no two tasks of a process can ever be inside one transaction. What SQLite fails with becomes
 * what `explain` makes of it.
 */
export class SqliteConnection implements Disposable {
  readonly #connection: DatabaseSync;
  readonly #explain: (error: unknown) => unknown;
  readonly #statements = new Map<string, StatementSync>();

  constructor(connection: DatabaseSync, explain: (error: unknown) => unknown) {
    this.#connection = connection;
    this.#explain = explain;
  }

  all(sql: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.#guard(() => this.#prepare(sql).all(...values) as unknown as readonly Row[]);
  }

  first(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#guard(() => this.#prepare(sql).get(...values) as unknown as Row | undefined);
  }

  /** How many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return this.#guard(() => Number(this.#prepare(sql).run(...values).changes));
  }

  /** The number of the row that it made. */
  insert(sql: string, ...values: SQLInputValue[]): number {
    return this.#guard(() => Number(this.#prepare(sql).run(...values).lastInsertRowid));
  }

  /** Several statements, without values. */
  execute(sql: string): void {
    this.#guard(() => this.#connection.exec(sql));
  }

  /**
   * Runs `work` alone among the writers of all processes; what it changed is durable when this returns, and undone
   * if it throws.
   */
  write<T>(work: () => T): T {
    this.execute('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.execute('COMMIT');
      return result;
    } catch (error) {
      if (this.#connection.isOpen && this.#connection.isTransaction) this.execute('ROLLBACK');
      throw error;
    }
  }

  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  [Symbol.dispose](): void {
    if (this.#connection.isOpen) this.#connection.close();
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
      throw this.#explain(error);
    }
  }
}
