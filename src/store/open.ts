import { ShaleError } from '../error/index.ts';
import { findDataRoot, giveReserve, isDiskFull } from '../host/index.ts';
import { Catalogue } from './catalogue.ts';
import { Database, findDatabase } from './database.ts';
import { wrapStore } from './error.ts';
import type { Reach } from './failpoint.ts';
import { Layout } from './layout.ts';

export interface StoreOptions {
  /** The directory of the cache; the user's own (`findDataRoot`) if not given. Created if it is not there. */
  readonly root?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** It is opened to make room, or to look: on a full disk it may use what is kept back for that. */
  readonly upkeep?: boolean | undefined;
  /** For tests: told of each instant after which a crash matters. */
  readonly reach?: Reach | undefined;
}

/**
 * Opens the cache, and creates it if need be. Cheap where all is as it should be: one file is opened, no directory is
 * read. What a crash left undone is done now; a database that is lost or damaged is made anew.
 */
export async function openCatalogue(options: StoreOptions): Promise<Catalogue> {
  const layout = new Layout(options.root ?? findDataRoot());
  const { upkeep = false } = options;
  if (upkeep && isDiskFull(layout.root)) giveReserve(layout.reserve);
  try {
    return await openLayout(layout, options);
  } catch (error) {
    // A quota shows in no other way.
    const isFull = error instanceof ShaleError && error.code === 'exhausted';
    if (!upkeep || !isFull || !giveReserve(layout.reserve)) throw error;
    return await openLayout(layout, options);
  }
}

async function openLayout(layout: Layout, options: StoreOptions): Promise<Catalogue> {
  const reach = options.reach ?? (() => {});
  try {
    let database = findDatabase(layout.database);
    if (!(database instanceof Database)) {
      const { ensureDatabase } = await import('./create.ts');
      database = await ensureDatabase(layout, reach, options.signal);
    }
    const catalogue = new Catalogue(layout, database, reach);
    try {
      catalogue.tryPublish();
    } catch (error) {
      catalogue[Symbol.dispose]();
      throw error;
    }
    return catalogue;
  } catch (error) {
    throw wrapStore(error, `cannot open the cache ${layout.root}`, layout.root);
  }
}
