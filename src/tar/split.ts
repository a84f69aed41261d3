import type { ByteString } from '../tree/index.ts';
import { header } from './layout.ts';

/** How a path stands in a ustar header. */
export interface PathPlace {
  readonly prefix: ByteString;
  readonly name: ByteString;
  /** False when the fields cannot hold it, and `name` is only as much of it as there is room for. */
  readonly whole: boolean;
}

/**
 * Splits a path at its last slash that leaves both parts within their fields, as GNU tar does. The slash goes away, so
 * neither part may be empty.
 */
export function placePath(path: ByteString): PathPlace {
  const { name, prefix } = header;
  if (path.length <= name.length) return { prefix: '', name: path, whole: true };
  const split = path.lastIndexOf('/', Math.min(prefix.length, path.length - 2));
  if (split > 0 && path.length - split - 1 <= name.length) {
    return { prefix: path.slice(0, split), name: path.slice(split + 1), whole: true };
  }
  // A cut right behind a slash would make a directory of a file.
  const cut = path.slice(0, name.length).replace(/\/+$/, '');
  return { prefix: '', name: cut, whole: false };
}
