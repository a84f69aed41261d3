import type { Warnings } from '../error/index.ts';
import type { TarData, TarEntry } from '../tar/index.ts';
import { type ByteString, noXattrs, printable, type Xattrs } from '../tree/index.ts';
import type { LayerEntry, LayerHardlink } from './entry.ts';
import { createRejection, formatPlace } from './error.ts';
import { createExhausted, type LayerLimits, sparseMapsPerFile, xattrsPerValue } from './limits.ts';
import { countComponents, normalisePath } from './path.ts';
import { readMarking } from './whiteout.ts';

/**
 * Turns one layer's records, in stream order, into entries; `undefined` is a record that the contract ignores. `data` is
 * given where it matters to know where the content lies.
 */
export type Normaliser = (entry: TarEntry, data?: TarData) => LayerEntry | undefined;

/**
 * Creates the normaliser of one layer (rules 1 to 3, 4 as to the root, 9 and 10). It keeps state: one for each pass over
 * a layer. It throws LayerError `invalid` for what the contract rejects and `exhausted` for a limit. Linear in the
 * entry's size.
 */
export function createNormaliser(options: {
  readonly layer: number;
  readonly warnings: Warnings;
  readonly limits: LayerLimits;
}): Normaliser {
  const { layer, warnings, limits } = options;
  /** Where the layer's latest record is a 0:0 device that was left out: a hardlink to it is one more name of it. */
  const leftOut = new Set<ByteString>();
  let count = 0;
  let segmentCount = 0;

  const reject = (path: ByteString, why: string, hint?: string): never => {
    throw createRejection(layer, path, why, hint === undefined ? {} : { hint });
  };
  const limit = (
    name: keyof LayerLimits,
    path: ByteString,
    actual: number,
    most = limits[name],
    what?: string,
  ) => {
    if (actual <= most) return;
    const where = formatPlace(layer, path.length > 256 ? `${path.slice(0, 256)}...` : path);
    throw createExhausted(name, { where, limit: most, actual, ...(what === undefined ? {} : { what }) });
  };
  const normalise = (raw: ByteString, entry: TarEntry, what: string): ByteString => {
    const path = normalisePath(raw);
    if (typeof path !== 'string') return reject(entry.path, `${what} ${path.fault}`);
    limit('pathBytes', path, path.length);
    if (path.length > limits.pathDepth) limit('pathDepth', path, countComponents(path));
    return path;
  };
  const leaveOut = (path: ByteString, what: string): undefined => {
    leftOut.add(path);
    warnings.add({
      code: 'whiteout-device',
      message: `${formatPlace(layer, path)}: ${what} left out, for OverlayFS would read it as a whiteout`,
      layer,
      path: printable(path),
    });
  };
  const keepXattrs = (path: ByteString, xattrs: Xattrs): Xattrs => {
    if (xattrs.size === 0) return noXattrs;
    let total = 0;
    let dropped = 0;
    for (const [name, value] of xattrs) {
      limit('xattrBytes', path, value.length);
      total += name.length + value.length;
      if (!isOverlayXattr(name)) continue;
      dropped += 1;
      warnings.add({
        code: 'overlay-xattr',
        message: `${formatPlace(layer, path)}: xattr ${printable(name)} dropped, for it would steer OverlayFS`,
        layer,
        path: printable(path),
      });
    }
    limit('xattrBytes', path, total, limits.xattrBytes * xattrsPerValue, 'bytes in all xattrs of an entry');
    if (dropped === 0) return xattrs;
    return new Map([...xattrs].filter(([name]) => !isOverlayXattr(name)));
  };
  const countSegments = (path: ByteString, more: number) => {
    segmentCount += more;
    const most = limits.sparseSegments * sparseMapsPerFile;
    limit('sparseSegments', path, segmentCount, most, 'segments in the sparse files of a layer');
  };
  const hardlink = (entry: TarEntry, path: ByteString, target: ByteString): LayerHardlink | undefined => {
    if (target === '') return reject(path, 'hardlink to the root, which is a directory');
    if (readMarking(target).kind !== 'entry') {
      return reject(
        path,
        `hardlink to ${printable(target)}, which does not exist: the name marks a whiteout`,
      );
    }
    keepXattrs(path, entry.xattrs);
    if (leftOut.has(target))
      return leaveOut(path, `hardlink to the 0:0 character device ${printable(target)}`);
    leftOut.delete(path);
    return { type: 'hardlink', path, target };
  };

  return (entry, data) => {
    count += 1;
    if (count > limits.entries) limit('entries', entry.path, count);
    const path = normalise(entry.path, entry, 'the path');
    // Checked before the name is looked at: a `..` is rejected also where the target would not count.
    const target = entry.type === 'hardlink' ? normalise(entry.linkpath, entry, 'the hardlink target') : '';
    const marking = readMarking(path);
    if (marking.kind !== 'entry') {
      if (marking.kind === 'ignored') return undefined;
      if (marking.kind === 'fault') return reject(path, marking.fault);
      return { type: marking.kind, path: marking.path };
    }
    if (path === '' && entry.type !== 'directory')
      return reject(path, `the root is a ${entry.type}, not a directory`);
    if (entry.type === 'hardlink') return hardlink(entry, path, target);
    const { type, uid, gid, mtime, major, minor, size } = entry;
    const mode = entry.mode % 0o10000;
    if (!isWord(uid) || !isWord(gid)) return reject(path, `owner ${uid}:${gid} is not within 0 to 2^32-1`);
    if (type === 'character' && major === 0 && minor === 0) return leaveOut(path, '0:0 character device');
    if (leftOut.size > 0) leftOut.delete(path);
    const xattrs = keepXattrs(path, entry.xattrs);
    switch (type) {
      case 'file':
        if (!Number.isSafeInteger(size) || size < 0) return reject(path, `size ${size} is not a file's size`);
        if (data?.segments !== undefined) countSegments(path, data.segments.length);
        return {
          type,
          path,
          mode,
          uid,
          gid,
          mtime,
          xattrs,
          size,
          offset: data?.offset,
          segments: data?.segments,
        };
      case 'directory':
      case 'fifo':
        return { type, path, mode, uid, gid, mtime, xattrs };
      case 'symlink': {
        const { linkpath } = entry;
        if (linkpath === '' || linkpath.includes('\0')) {
          return reject(
            path,
            linkpath === '' ? 'the symlink target is empty' : 'the symlink target holds a NUL byte',
          );
        }
        limit('pathBytes', path, linkpath.length, limits.pathBytes, 'bytes in a symlink target');
        return { type, path, mode, uid, gid, mtime, xattrs, target: linkpath };
      }
      case 'block':
      case 'character':
        if (!isWord(major) || !isWord(minor)) return reject(path, `device ${major}:${minor} is out of range`);
        return { type, path, mode, uid, gid, mtime, xattrs, major, minor };
    }
  };
}

/** Rule 10: what OverlayFS keeps its own state in, as root and as a user. */
export function isOverlayXattr(name: ByteString): boolean {
  return name.startsWith('trusted.overlay.') || name.startsWith('user.overlay.');
}

function isWord(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
}
