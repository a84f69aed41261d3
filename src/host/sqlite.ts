import { createRequire } from 'node:module';
import type { DatabaseSync } from 'node:sqlite';

type Sqlite = typeof import('node:sqlite');
let loaded: Sqlite | undefined;

/**
 * SQLite as Node has it, loaded at the first use. Early versions of Node 24 announce on standard error that the module
 * is experimental; that is true of our choice, not of the user's, so this one warning is held back while it loads.
 */
function load(): Sqlite {
  if (loaded !== undefined) return loaded;
  const { emitWarning } = process;
  process.emitWarning = ((warning: string | Error, ...rest: never[]) => {
    if (!String(warning).includes('SQLite')) emitWarning.call(process, warning, ...rest);
  }) as typeof emitWarning;
  try {
    loaded = createRequire(import.meta.url)('node:sqlite') as Sqlite;
  } finally {
    process.emitWarning = emitWarning;
  }
  return loaded;
}

/** Opens a database file; `timeout` is how long, in milliseconds, to wait for another process. Throws as SQLite does. */
export function openDatabaseFile(url: URL, timeout: number): DatabaseSync {
  return new (load().DatabaseSync)(url, { timeout });
}

/** SQLite's primary result codes that are told apart here (sqlite3.h). */
const codes = {
  busy: 5,
  readOnly: 8,
  inputOutput: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notDatabase: 26,
} as const;

/** Whether a failure is one of SQLite's of the given kinds. Extended codes count as their primary one. */
export function isSqlite(error: unknown, ...kinds: (keyof typeof codes)[]): boolean {
  const code = (error as { errcode?: unknown } | undefined)?.errcode;
  return typeof code === 'number' && kinds.some(kind => codes[kind] === code % 256);
}
