import type { ByteString, Xattrs } from '../tree/index.ts';
import { noXattrs } from '../tree/index.ts';
import { TarError } from './error.ts';
import { PaxFields, readPax } from './pax.ts';

/**
 * Bytes that global headers may hand down to every entry after them. Inheritance multiplies: without a bound of its
 * own, one header of a mebibyte would become a mebibyte for each of a million entries.
 */
const mostInherited = 8192;

/** What the global headers so far say. An entry's own records come first; see `override` and `mergeXattrs`. */
export class GlobalPax {
  readonly #fields = new PaxFields();

  get fields(): Readonly<PaxFields> {
    return this.#fields;
  }

  read(bytes: Buffer): void {
    const fields = this.#fields;
    readPax(bytes, fields);
    if (fields.sparse !== undefined) {
      throw new TarError('invalid', 'a global pax header holds GNU.sparse records, which describe one file');
    }
    const inherited =
      (fields.path?.length ?? 0) +
      (fields.linkpath?.length ?? 0) +
      byteLength(fields.schilyXattrs) +
      byteLength(fields.libarchiveXattrs);
    if (inherited > mostInherited) {
      throw new TarError(
        'exhausted',
        `the global pax headers hold ${inherited} bytes of paths and xattrs, ${mostInherited} at most`,
        { detail: { limit: mostInherited, actual: inherited } },
      );
    }
  }
}

/** The value that counts: the entry's own record, then the global one, then the header's (`undefined` here). */
export function override<T>(own: T | null | undefined, inherited: T | null | undefined): T | undefined {
  return (own === undefined ? inherited : own) ?? undefined;
}

/** All xattrs of an entry. Of one name its own records beat global ones, and star's spelling beats libarchive's. */
export function mergeXattrs(own: Readonly<PaxFields>, inherited: Readonly<PaxFields>): Xattrs {
  let only: Xattrs = noXattrs;
  let merged: Map<ByteString, Uint8Array> | undefined;
  const sources = [
    inherited.libarchiveXattrs,
    inherited.schilyXattrs,
    own.libarchiveXattrs,
    own.schilyXattrs,
  ];
  for (const source of sources) {
    if (source === undefined) continue;
    if (only === noXattrs) {
      only = source;
      continue;
    }
    merged ??= new Map(only);
    for (const [name, value] of source) merged.set(name, value);
  }
  return merged ?? only;
}

function byteLength(xattrs: Xattrs | undefined): number {
  let total = 0;
  for (const [name, value] of xattrs ?? noXattrs) total += name.length + value.length;
  return total;
}
