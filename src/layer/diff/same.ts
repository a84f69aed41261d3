import { wrapErrno } from '../../error/index.ts';
import { shown } from '../../host/index.ts';
import type { ByteString, Xattrs } from '../../tree/index.ts';
import { readContent } from '../disk/content.ts';
import type { Facts } from '../disk/facts.ts';
import type { Place } from '../mark/index.ts';

/** Whether two files are alike in all but their content, what `isOwnXattr` names left out. */
export function areAlike(a: Facts, b: Facts, isOwnXattr: (name: ByteString) => boolean): boolean {
  if (a.type !== b.type || a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid) return false;
  if (a.mtime.seconds !== b.mtime.seconds || a.mtime.nanoseconds !== b.mtime.nanoseconds) return false;
  if (a.size !== b.size || a.target !== b.target) return false;
  if (a.device?.major !== b.device?.major || a.device?.minor !== b.device?.minor) return false;
  return haveSameXattrs(keepXattrs(a.xattrs, isOwnXattr), keepXattrs(b.xattrs, isOwnXattr));
}

/** Those that are metadata. */
export function keepXattrs(xattrs: Xattrs, isOwnXattr: (name: ByteString) => boolean): Xattrs {
  if (xattrs.size === 0) return xattrs;
  return new Map([...xattrs].filter(([name]) => !isOwnXattr(name)));
}

function haveSameXattrs(a: Xattrs, b: Xattrs): boolean {
  if (a.size !== b.size) return false;
  for (const [name, value] of a) {
    const other = b.get(name);
    if (other === undefined || Buffer.compare(value, other) !== 0) return false;
  }
  return true;
}

/** A file that can be read. */
export interface Readable {
  readonly place: Place;
  readonly name: ByteString;
  readonly facts: Facts;
}

/** Whether two files of one size hold the same bytes. */
export function haveSameContent(a: Readable, b: Readable, path: ByteString): boolean {
  if (a.facts.size === 0 || a.facts.identity === b.facts.identity) return true;
  try {
    const ours = readContent(a.place, a.name, a.facts, path);
    const theirs = readContent(b.place, b.name, b.facts, path);
    try {
      for (const chunk of ours) {
        const other = theirs.next();
        if (other.done === true || !chunk.equals(other.value)) return false;
      }
      return theirs.next().done === true;
    } finally {
      theirs.return();
    }
  } catch (error) {
    throw wrapErrno(error, `cannot compare ${shown(path)}`);
  }
}
