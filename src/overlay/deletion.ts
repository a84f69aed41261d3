import type { LayerEntry, LayerOpaque, LayerWhiteout } from '../layer/index.ts';
import { type Content, createImpliedDirectory, type Directory } from '../merge/content.ts';
import type { ByteString, Inode } from '../tree/index.ts';
import { whiteout } from './marker.ts';

/**
 * Puts a layer's whiteouts and opaque markers into the tree of its own entries, where they are needed: not in or below
 * what hides the layers below anyway. A directory that is whited out and there all the same is opaque. Missing parents
 * come into being; the place is taken literally, for a symlink on the way is not the one that the merge means. Adds to
 * `opaque`, and returns the directories that hold whiteouts.
 */
export function placeDeletions(
  entries: readonly LayerEntry[],
  root: Directory,
  opaque: Set<Directory>,
): ReadonlySet<Directory> {
  const holders = new Set<Directory>();
  const deletions = entries.filter(entry => entry.type === 'whiteout' || entry.type === 'opaque');
  // What hides a directory comes before what hides something in it, so that the second can be left out.
  for (const { type, path } of deletions.sort(inOrder)) {
    const names = path === '' ? [] : path.split('/');
    const last = type === 'whiteout' ? names.pop()! : undefined;
    const directory = findParent(root, names, opaque);
    if (directory === undefined) continue;
    if (last === undefined) {
      opaque.add(directory);
      continue;
    }
    const found = directory.children.get(last);
    if (found === undefined) {
      directory.children.set(last, whiteout);
      holders.add(directory);
    } else if (found.type === 'directory') {
      opaque.add(found as Directory);
    }
  }
  return holders;
}

/** `undefined` where nothing from below shows, or something stands in the way. */
function findParent(
  root: Directory,
  names: readonly ByteString[],
  opaque: ReadonlySet<Directory>,
): Directory | undefined {
  let directory = root;
  for (const name of names) {
    if (opaque.has(directory)) return undefined;
    let next: Inode<Content> | undefined = directory.children.get(name);
    if (next === undefined) {
      next = createImpliedDirectory({ seconds: 0, nanoseconds: 0 });
      directory.children.set(name, next);
    }
    if (next.type !== 'directory') return undefined;
    directory = next as Directory;
  }
  return opaque.has(directory) ? undefined : directory;
}

/** By path, the whiteout of a path before its opaque marker. */
function inOrder(a: LayerWhiteout | LayerOpaque, b: LayerWhiteout | LayerOpaque): number {
  if (a.path !== b.path) return a.path < b.path ? -1 : 1;
  return a.type === b.type ? 0 : a.type === 'whiteout' ? -1 : 1;
}
