import type { LayerRecord } from './record.ts';

/** The contract's "rejected". */
export class Rejected extends Error {}

/** What a record is for, once its name was understood. Paths are lists of names; the root is the empty list. */
export type Purpose =
  | { readonly kind: 'entry'; readonly path: readonly string[]; readonly directory: boolean }
  | { readonly kind: 'whiteout'; readonly parent: readonly string[]; readonly name: string }
  | { readonly kind: 'opaque'; readonly parent: readonly string[] }
  | { readonly kind: 'ignored' }
  /** A 0:0 character device, which rule 10 leaves out. */
  | { readonly kind: 'omitted'; readonly path: readonly string[] };

/** Rule 1. */
export function readPath(path: string): readonly string[] {
  if (path === '' || path.includes('\0')) throw new Rejected('an empty name, or one with NUL');
  const names = path.split('/').filter(name => name !== '' && name !== '.');
  if (names.includes('..')) throw new Rejected('a climbing path');
  return names;
}

/** Rules 1, 2, 3 and 10, as far as one record alone can tell. */
export function readPurpose(record: LayerRecord, warn: (code: string) => void): Purpose {
  const path = readPath(record.path);
  if (record.type === 'hardlink') readPath(record.linkpath);
  for (const [index, name] of path.entries()) {
    if (!name.startsWith('.wh.')) continue;
    const parent = path.slice(0, index);
    const last = index === path.length - 1;
    if (name === '.wh..wh..opq' && last) return { kind: 'opaque', parent };
    if (name.startsWith('.wh..wh.') && name !== '.wh..wh..opq') return { kind: 'ignored' };
    const hidden = name.slice('.wh.'.length);
    if (!last) throw new Rejected('a whiteout in the middle of a path');
    if (hidden === '' || hidden === '.' || hidden === '..') throw new Rejected('a whiteout of no name');
    return { kind: 'whiteout', parent, name: hidden };
  }
  if (path.length === 0 && record.type !== 'directory') throw new Rejected('the root is not a directory');
  // The contract does not say so, but no filesystem can hold such a symlink.
  if (record.type === 'symlink' && (record.linkpath === '' || record.linkpath.includes('\0'))) {
    throw new Rejected('a symlink to no name');
  }
  if (record.type === 'character' && record.major === 0 && record.minor === 0) {
    warn('whiteout-device');
    return { kind: 'omitted', path };
  }
  for (const name of record.xattrs.keys()) if (isOverlayXattr(name)) warn('overlay-xattr');
  return { kind: 'entry', path, directory: record.type === 'directory' };
}

/** Rule 10. */
export function isOverlayXattr(name: string): boolean {
  return name.startsWith('trusted.overlay.') || name.startsWith('user.overlay.');
}
