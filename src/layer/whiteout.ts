import type { ByteString } from '../tree/index.ts';

/** What the names in a normalised path make of an entry (rules 2 and 3). */
export type Marking =
  | { readonly kind: 'entry' }
  | { readonly kind: 'whiteout' | 'opaque'; readonly path: ByteString }
  /** AUFS metadata, or something that stands below it. */
  | { readonly kind: 'ignored' }
  | { readonly kind: 'fault'; readonly fault: string };

const prefix = '.wh.';
const metadataPrefix = '.wh..wh.';
const opaqueName = '.wh..wh..opq';

const entry: Marking = { kind: 'entry' };
const ignored: Marking = { kind: 'ignored' };

/** Reads a path's markers. The first name that starts with `.wh.` decides, so what AUFS keeps below its own is not looked at. */
export function readMarking(path: ByteString): Marking {
  let start = path.startsWith(prefix) ? 0 : path.indexOf(`/${prefix}`) + 1;
  if (start === 0 && !path.startsWith(prefix)) return entry;
  const end = path.indexOf('/', start);
  const name = end < 0 ? path.slice(start) : path.slice(start, end);
  if (name.startsWith(metadataPrefix) && name !== opaqueName) return ignored;
  if (end >= 0) return { kind: 'fault', fault: `"${prefix}" begins a name in the middle of the path` };
  if (start > 0) start -= 1;
  const parent = path.slice(0, start);
  if (name === opaqueName) return { kind: 'opaque', path: parent };
  const deleted = name.slice(prefix.length);
  if (deleted === '' || deleted === '.' || deleted === '..') {
    return { kind: 'fault', fault: 'is a whiteout that names nothing' };
  }
  return { kind: 'whiteout', path: parent === '' ? deleted : `${parent}/${deleted}` };
}
