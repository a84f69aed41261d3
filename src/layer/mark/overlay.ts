import type { BigIntStats } from 'node:fs';
import { isErrno } from '../../error/index.ts';
import { HostError, makeNode, readXattr, removeXattr, setXattr } from '../../host/index.ts';
import type { ByteString } from '../../tree/index.ts';
import type { Marks, Place } from './mark.ts';

const yes = Buffer.from('y');
const characterDevice = 0o020000n;
const typeBits = 0o170000n;

export function isZeroDevice({ mode, rdev }: BigIntStats): boolean {
  return (mode & typeBits) === characterDevice && rdev === 0n;
}

export function isYes(value: Uint8Array | undefined): boolean {
  return value?.length === 1 && value[0] === yes[0];
}

function mark(place: Place, name: ByteString, value: Uint8Array): void {
  try {
    setXattr(place.at('.'), name, value);
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'EACCES') || !name.startsWith('trusted.')) throw error;
    throw new HostError('denied', `this user may not set ${name}`, {
      cause: error,
      hint: 'without root, layers are kept for mounts with userxattr, or for fuse-overlayfs',
    });
  }
}

/** What a directory says of itself in xattrs of one namespace, such as `trusted.overlay.`. */
export function xattrMarks(namespace: ByteString) {
  const implied = `${namespace}shale.implied`;
  return {
    isOpaque: (place: Place) => isYes(readXattr(place.at('.'), `${namespace}opaque`)),
    markOpaque: (place: Place) => mark(place, `${namespace}opaque`, yes),
    markImplied: (place: Place) => mark(place, implied, yes),
    isImplied: (place: Place) => isYes(readXattr(place.at('.'), implied)),
    clearImplied: (place: Place) => removeXattr(place.at('.'), implied),
  };
}

/** The kernel's: Documentation/filesystems/overlayfs.rst, "Whiteouts and opaque directories". */
export function overlayMarks(namespace: 'trusted.overlay.' | 'user.overlay.'): Marks {
  return {
    ...xattrMarks(namespace),
    isWhiteout: isZeroDevice,
    hasWhiteout: () => false,
    placeWhiteout: makeWhiteoutDevice,
    // A rename onto it replaces it.
    clearWhiteout: () => {},
    // Without it the kernel lists the whiteouts of a directory that no layer below shares.
    markOrigin(place) {
      const name = `${namespace}origin`;
      if (readXattr(place.at('.'), name) === undefined) mark(place, name, new Uint8Array());
    },
    isOwnXattr: name => name.startsWith(namespace),
    readName: () => undefined,
  };
}

export function makeWhiteoutDevice(place: Place, name: ByteString): void {
  try {
    makeNode(place.at(name), 'character', 0, 0);
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'EACCES')) throw error;
    throw new HostError('denied', 'a whiteout (a 0:0 character device) may not be made here', {
      cause: error,
      hint: 'Linux lets every user from 5.8 on, but nobody where the directory itself is on an overlay; fuse-overlayfs does without',
    });
  }
}
