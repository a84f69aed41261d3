import { ShaleError } from '../error/index.ts';
import { replaceFile, setAsideReserve } from '../host/index.ts';
import type { Database } from './database.ts';
import { wrapStore } from './error.ts';
import type { Reach } from './failpoint.ts';
import { ImageTable } from './images.ts';
import type { Layout } from './layout.ts';
import { formatLayoutIndex } from './layout-index.ts';

/**
 * The database of a cache, and index.json, which follows from it. A change of images is one transaction that also sets
 * a flag; then index.json is written, and the flag goes. Whoever finds the flag set, after a crash, writes it again.
 */
export class Catalogue implements Disposable {
  readonly layout: Layout;
  readonly reach: Reach;
  #database: Database;

  constructor(layout: Layout, database: Database, reach: Reach) {
    this.layout = layout;
    this.#database = database;
    this.reach = reach;
  }

  get database(): Database {
    return this.#database;
  }

  /** After the file was found damaged and made anew. */
  replaceDatabase(database: Database): void {
    this.#database[Symbol.dispose]();
    this.#database = database;
  }

  get images(): ImageTable {
    return new ImageTable(this.#database);
  }

  /** Changes images: durable when it returns, in index.json as well. */
  change<T>(work: (images: ImageTable) => T): T {
    const result = this.changeUnpublished(work);
    this.publish();
    return result;
  }

  /** The first half of `change`; `publish` is its second. */
  changeUnpublished<T>(work: (images: ImageTable) => T): T {
    const result = this.#database.write(() => {
      this.#database.run(`UPDATE state SET value = 1 WHERE name = 'dirty'`);
      return work(this.images);
    });
    this.reach('images-changed');
    return result;
  }

  /** Brings index.json up to date, if it is not. */
  publish(): void {
    if (!this.isDirty()) return;
    this.#database.write(() => {
      if (!this.isDirty()) return;
      this.writeIndex();
      this.reach('index-written');
      this.#database.run(`UPDATE state SET value = 0 WHERE name = 'dirty'`);
    });
  }

  /**
   * The same for those who can do without: where there is no room, or the database is damaged, the flag remains, for
   * the next one who opens the cache.
   */
  tryPublish(): void {
    try {
      this.publish();
    } catch (error) {
      if (!(error instanceof ShaleError) || !['exhausted', 'corrupt'].includes(error.code)) throw error;
    }
  }

  isDirty(): boolean {
    return this.#database.first(`SELECT value FROM state WHERE name = 'dirty'`)?.value !== 0;
  }

  /** Inside a write transaction, so that no older state overtakes a newer one. */
  writeIndex(): void {
    const { index, root } = this.layout;
    try {
      replaceFile(index, formatLayoutIndex(this.images.all()));
    } catch (error) {
      throw wrapStore(error, `cannot write ${index}`, root);
    }
  }

  [Symbol.dispose](): void {
    this.#database[Symbol.dispose]();
    setAsideReserve(this.layout.reserve);
  }
}
