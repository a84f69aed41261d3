import { closeSync, constants, lstatSync, openSync, unlinkSync } from 'node:fs';
import { isErrno } from '../../error/index.ts';
import { isThere, pathBytes } from '../../host/index.ts';
import type { ByteString } from '../../tree/index.ts';
import type { Marks, NameMark, Place } from './mark.ts';
import { isZeroDevice, makeWhiteoutDevice, xattrMarks } from './overlay.ts';

const prefix = '.wh.';
const metadataPrefix = '.wh..wh.';
const opaqueName = '.wh..wh..opq';
/** A longer name has no whiteout: no name of a file has more than 255 bytes. */
const mostNamed = 255 - prefix.length;

/** AUFS's: what a layer's own archive has, as files. */
export const aufsMarks: Marks = {
  isWhiteout: () => false,
  hasWhiteout: (place, name) => name.length <= mostNamed && isThere(place.at(prefix + name)),
  placeWhiteout: (place, name) => makeFile(place, prefix + name),
  clearWhiteout(place, name) {
    try {
      unlinkSync(pathBytes(place.at(prefix + name)));
    } catch (error) {
      // A name that is too long for a whiteout has none.
      if (!isErrno(error, 'ENOENT', 'ENAMETOOLONG')) throw error;
    }
  },
  isOpaque: place => isThere(place.at(opaqueName)),
  markOpaque: place => makeFile(place, opaqueName),
  markOrigin: () => {},
  markImplied: () => {},
  isImplied: () => false,
  clearImplied: () => {},
  isOwnXattr: () => false,
  readName,
};

const xattrs = xattrMarks('user.fuseoverlayfs.');
const kernel = [xattrMarks('trusted.overlay.'), xattrMarks('user.overlay.')];
const namespaces = ['user.fuseoverlayfs.', 'trusted.overlay.', 'user.overlay.'];

/** fuse-overlayfs's: it reads the kernel's marks and files alike, and writes what the system lets it. */
export const fuseMarks: Marks = {
  ...xattrs,
  isWhiteout: isZeroDevice,
  hasWhiteout: aufsMarks.hasWhiteout,
  placeWhiteout(place, name) {
    try {
      makeWhiteoutDevice(place, name);
    } catch {
      aufsMarks.placeWhiteout(place, name);
    }
  },
  clearWhiteout: aufsMarks.clearWhiteout,
  isOpaque: place =>
    aufsMarks.isOpaque(place) || xattrs.isOpaque(place) || kernel.some(marks => marks.isOpaque(place)),
  markOpaque(place) {
    try {
      xattrs.markOpaque(place);
    } catch (error) {
      if (!isErrno(error, 'ENOTSUP', 'EOPNOTSUPP', 'EPERM', 'EACCES', 'ENOSPC')) throw error;
      aufsMarks.markOpaque(place);
    }
  },
  markOrigin: () => {},
  markImplied(place) {
    try {
      xattrs.markImplied(place);
    } catch (error) {
      if (!isErrno(error, 'ENOTSUP', 'EOPNOTSUPP', 'EPERM', 'EACCES', 'ENOSPC')) throw error;
    }
  },
  isOwnXattr: name => namespaces.some(namespace => name.startsWith(namespace)),
  readName,
};

function readName(name: ByteString): NameMark | undefined {
  if (!name.startsWith(prefix)) return undefined;
  if (name.startsWith(metadataPrefix) || name === prefix) return { kind: 'other' };
  return { kind: 'whiteout', name: name.slice(prefix.length) };
}

function makeFile(place: Place, name: ByteString): void {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
  const path = pathBytes(place.at(name));
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile()) return;
  closeSync(openSync(path, flags, 0o600));
}
