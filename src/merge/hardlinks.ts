import type { LayerEntry } from '../layer/index.ts';
import type { ByteString, Inode } from '../tree/index.ts';
import type { Content, Directory } from './content.ts';
import { LastParent, lastName, look, parentPath, type Walk, type WalkFault } from './walk.ts';

/** What a hardlink's target is: an inode, nothing, or a path that cannot be walked. */
export type LinkTarget = Inode<Content> | WalkFault | undefined;

/** Looks a target up as the tree stands: its parents through symlinks, its last name not (rule 6). */
export function findLinkTarget(target: ByteString, walk: Walk, last: LastParent): LinkTarget {
  let directory = last.find(target);
  if (directory === undefined) {
    const parent = parentPath(target);
    const found = walk.to(parent, look);
    if (found === undefined || typeof found === 'string') return found;
    directory = found;
    last.keep(parent, directory);
  }
  return directory.children.get(lastName(target));
}

/**
 * The targets of all of a layer's hardlinks as the layer found them below, by the links' positions. It must be asked
 * before the layer changes anything, its whiteouts included; the inodes it keeps outlive their names.
 */
export function findTargetsBelow(
  entries: readonly LayerEntry[],
  root: Directory,
  walk: Walk,
): ReadonlyMap<number, LinkTarget> {
  const targets = new Map<number, LinkTarget>();
  if (root.children.size === 0) return targets;
  const last = new LastParent();
  for (const [position, entry] of entries.entries()) {
    if (entry.type !== 'hardlink') continue;
    const target = findLinkTarget(entry.target, walk, last);
    if (target !== undefined) targets.set(position, target);
  }
  return targets;
}
