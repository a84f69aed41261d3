import type { LayerEntry } from '../layer/index.ts';
import type { ByteString } from '../tree/index.ts';
import type { Directory } from './content.ts';
import { type Course, LastParent, lastName, parentPath, type Walk, type WalkFault } from './walk.ts';

/** What a layer's whiteout or opaque marker hits in the result below. */
export interface Hit {
  /** Position of the marker in the layer's index. */
  readonly entry: number;
  readonly directory: Directory;
  /** The name that is deleted; `undefined`: all names. */
  readonly name: ByteString | undefined;
}

/**
 * Looks up all of a layer's markers, before the first of them is applied (rules 2 and 3). A parent is reached through
 * symlinks below, but not through one where the layer itself has a directory entry: what is marked is in that new
 * directory, which has nothing from below.
 */
export function findHits(
  entries: readonly LayerEntry[],
  walk: Walk,
  fail: (fault: WalkFault, entry: number) => never,
): Hit[] {
  const hits: Hit[] = [];
  let replaced: ReplacedSymlinks | undefined;
  const course: Course = {
    obstacle: () => undefined,
    follows(directory, name) {
      // Found out only now, for hardly any layer needs it. It has a walk of its own.
      replaced ??= findReplacedSymlinks(entries, walk.another());
      return replaced.get(directory)?.has(name) !== true;
    },
  };
  const last = new LastParent();
  for (const [position, entry] of entries.entries()) {
    if (entry.type !== 'whiteout' && entry.type !== 'opaque') continue;
    const whiteout = entry.type === 'whiteout';
    let directory = whiteout ? last.find(entry.path) : undefined;
    if (directory === undefined) {
      const parent = whiteout ? parentPath(entry.path) : entry.path;
      const found = walk.to(parent, course);
      if (typeof found === 'string') fail(found, position);
      if (found === undefined) continue;
      directory = found;
      if (whiteout) last.keep(parent, directory);
    }
    const name = whiteout ? lastName(entry.path) : undefined;
    if (name === undefined || directory.children.has(name)) hits.push({ entry: position, directory, name });
  }
  return hits;
}

/** Deletes what was hit: a name or a directory's children at once, however much stands below. */
export function applyHit({ directory, name }: Hit): void {
  if (name === undefined) directory.children.clear();
  else directory.children.delete(name);
}

type ReplacedSymlinks = ReadonlyMap<Directory, ReadonlySet<ByteString>>;

/** The symlinks below, by their directory and name, over which the layer has a directory entry. */
function findReplacedSymlinks(entries: readonly LayerEntry[], walk: Walk): ReplacedSymlinks {
  const replaced = new Map<Directory, Set<ByteString>>();
  const course: Course = {
    obstacle: () => undefined,
    follows: (directory, name) => replaced.get(directory)?.has(name) !== true,
  };
  for (const entry of entries) {
    if (entry.type !== 'directory' || entry.path === '') continue;
    const directory = walk.to(parentPath(entry.path), course);
    if (directory === undefined || typeof directory === 'string') continue;
    const name = lastName(entry.path);
    if (directory.children.get(name)?.type !== 'symlink') continue;
    const names = replaced.get(directory);
    if (names === undefined) replaced.set(directory, new Set([name]));
    else names.add(name);
  }
  return replaced;
}
