import type { ByteString } from '../../tree/index.ts';
import type { LayerEntry } from '../entry.ts';
import type { Builder } from './builder.ts';
import type { View } from './view.ts';
import { type Course, goTo, type WalkEnd, walk } from './walk.ts';

/** What a whiteout or an opaque marker of the layer hits, as the layer found it. */
interface Hit {
  /** The names of its directory, none of them a symlink. */
  readonly names: readonly ByteString[];
  /** The name that is deleted; `undefined`: all names. */
  readonly name: ByteString | undefined;
}

export interface HitOptions {
  /** Another view of the same, to look ahead with. */
  rehearse(): View;
  readonly mostDepth: number;
  fail(end: Exclude<WalkEnd, 'arrived' | 'end'>, entry: LayerEntry): never;
}

/**
 * Looks up all of a layer's markers before anything changes (ARCHITECTURE, "Merge semantics", rules 2 and 3): a marker's parent is
 * reached through symlinks below, but not through one over which the layer itself has a directory. Where it is not
 * known what is below, a marker is taken at its word.
 */
export function findHits(entries: readonly LayerEntry[], view: View, options: HitOptions): Hit[] {
  const { mostDepth, rehearse, fail } = options;
  let replaced: ReadonlySet<ByteString> | undefined;
  const course: Course = {
    obstacle: intoTheUnknown,
    follows(here, name) {
      // Found out only now, for hardly any layer needs it.
      replaced ??= findReplacedSymlinks(entries, rehearse, mostDepth);
      return !replaced.has([...here.names, name].join('/'));
    },
  };
  const hits: Hit[] = [];
  for (const entry of entries) {
    if (entry.type !== 'whiteout' && entry.type !== 'opaque') continue;
    const whiteout = entry.type === 'whiteout';
    const end = walk(view, whiteout ? parentPath(entry.path) : entry.path, course, mostDepth);
    if (end === 'links' || end === 'depth') fail(end, entry);
    if (end === 'end') continue;
    const { names } = view;
    const name = whiteout ? lastName(entry.path) : undefined;
    if (name === undefined || view.lookup(name) !== undefined || view.mayShowBelow(name))
      hits.push({ names, name });
  }
  return hits;
}

/** Deletes what was hit; what hides a directory before what hides something in it. */
export function applyHits(hits: readonly Hit[], builder: Builder): void {
  const ordered = hits
    .map(hit => ({ ...hit, key: [...hit.names, ...(hit.name === undefined ? [] : [hit.name])].join('/') }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.name === undefined ? 1 : -1));
  for (const { names, name } of ordered) {
    if (!goTo(builder.view, names)) continue;
    if (name === undefined) builder.empty();
    else builder.erase(name);
  }
}

/** The symlinks, by their places, over which the layer has a directory entry. */
function findReplacedSymlinks(
  entries: readonly LayerEntry[],
  rehearse: () => View,
  mostDepth: number,
): ReadonlySet<ByteString> {
  using view = rehearse();
  const replaced = new Set<ByteString>();
  const course: Course = {
    obstacle: intoTheUnknown,
    follows: (here, name) => !replaced.has([...here.names, name].join('/')),
  };
  for (const { type, path } of entries) {
    if (type !== 'directory' || path === '') continue;
    if (walk(view, parentPath(path), course, mostDepth) !== 'arrived') continue;
    const name = lastName(path);
    if (view.lookup(name)?.type === 'symlink') replaced.add([...view.names, name].join('/'));
  }
  return replaced;
}

function intoTheUnknown(view: View, name: ByteString, found: unknown): boolean {
  if (found !== undefined || !view.isUnknown(name)) return false;
  view.enterUnknown(name);
  return true;
}

/** The part of a path before its last name; '' is the root. */
export function parentPath(path: ByteString): ByteString {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0));
}

export function lastName(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf('/') + 1);
}
