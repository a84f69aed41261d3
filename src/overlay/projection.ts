import { defaultLimits, type LayerEntry } from '../layer/index.ts';
import {
  type Content,
  createDirectory,
  createImpliedDirectory,
  createLeaf,
  type Directory,
  describeDirectory,
} from '../merge/content.ts';
import { findLinkTarget } from '../merge/hardlinks.ts';
import { type Course, LastParent, lastName, parentPath, Walk } from '../merge/walk.ts';
import { type ByteString, type Inode, noXattrs, type Tree, validateTree } from '../tree/index.ts';
import { placeDeletions } from './deletion.ts';
import { markOpaque, markOrigin, type OverlayXattrs } from './marker.ts';

export interface ProjectOptions {
  /** What `Content.layer` shall say. */
  readonly layer: number;
  readonly xattrs: OverlayXattrs;
}

const epoch = { seconds: 0, nanoseconds: 0 };

/**
 * Stands for a hardlink to a file that the layer does not have: it is left out at the end, but until then it is no place
 * for a directory. No layer has a socket.
 */
const absent: Inode<Content> = { type: 'socket', mode: 0, uid: 0, gid: 0, mtime: epoch, xattrs: noXattrs };

/**
 * What a layer looks like to OverlayFS, from the layer alone: a tree with whiteouts and opaque directories. Within the layer the
 * contract holds (repeated paths, symlinks to directories, hardlinks); parents without an entry are 0755, 0:0, of 1970.
 * Left out is what takes the layers below to say: hardlinks to files there, and whatever meets them or another file on
 * its way. A file's content is the position of its record, as in a merge. Accepts every layer that a merge accepts; linear
 * but for the sorting of whiteouts.
 */
export function projectLayer(entries: readonly LayerEntry[], options: ProjectOptions): Tree<Content> {
  const { layer, xattrs } = options;
  const projection = new Projection();
  for (const [position, entry] of entries.entries()) projection.apply(entry, { layer, entry: position });
  const { root, opaque, left } = projection;
  const holders = placeDeletions(entries, root, opaque);
  for (const [directory, name] of left) {
    if (directory.children.get(name) === absent) directory.children.delete(name);
  }
  for (const directory of opaque) directory.xattrs = markOpaque(directory.xattrs, xattrs);
  for (const directory of holders) directory.xattrs = markOrigin(directory.xattrs, xattrs);
  return validateTree(root);
}

/** The layer's own entries on an empty tree, as the merge would apply them, but nothing is an error. */
class Projection {
  readonly root: Directory = createImpliedDirectory(epoch);
  /** Directories that came after something else of the same layer: nothing from below is left in them. */
  readonly opaque = new Set<Directory>();
  /** Where `absent` was put; it need not be there any more. */
  readonly left: [Directory, ByteString][] = [];
  // A place that is deeper is left to the head: the merge has the user's own limit, the projection must not depend on it.
  readonly #walk = new Walk(this.root, defaultLimits.pathDepth);
  readonly #lastParent = new LastParent();
  readonly #lastTarget = new LastParent();
  readonly #parents: Course = {
    obstacle(walk, name, found) {
      if (found !== undefined) return undefined;
      const directory = createImpliedDirectory(epoch);
      walk.directory.children.set(name, directory);
      return directory;
    },
    follows: () => true,
  };

  apply(entry: LayerEntry, content: Content): void {
    const { path, type } = entry;
    if (type === 'whiteout' || type === 'opaque') return;
    if (path === '') {
      if (type === 'directory') describeDirectory(this.root, entry);
      return;
    }
    // As in the merge: what stands before the link's own parents come into being.
    const linked = type === 'hardlink' ? this.#findTarget(entry.target) : undefined;
    const parent = this.#findParent(path);
    if (parent === undefined) return;
    const name = lastName(path);
    const before = parent.children.get(name);
    if (type === 'directory') {
      if (before?.type === 'directory') {
        describeDirectory(before as Directory, entry);
        return;
      }
      const directory = createDirectory(entry);
      if (before !== undefined) this.opaque.add(directory);
      this.#bind(parent, name, directory, before);
    } else if (type !== 'hardlink') {
      this.#bind(parent, name, createLeaf(entry, content), before);
    } else {
      this.#bind(parent, name, linked ?? absent, before);
      if (linked === undefined) this.left.push([parent, name]);
    }
  }

  #bind(
    parent: Directory,
    name: ByteString,
    inode: Inode<Content>,
    before: Inode<Content> | undefined,
  ): void {
    if (before?.type === 'directory' || before?.type === 'symlink') {
      this.#lastParent.drop();
      this.#lastTarget.drop();
    }
    parent.children.set(name, inode);
  }

  #findTarget(target: ByteString): Inode<Content> | undefined {
    const found = findLinkTarget(target, this.#walk, this.#lastTarget);
    if (found === undefined || typeof found === 'string') return undefined;
    return found.type === 'directory' || found === absent ? undefined : found;
  }

  #findParent(path: ByteString): Directory | undefined {
    const known = this.#lastParent.find(path);
    if (known !== undefined) return known;
    const parent = parentPath(path);
    const found = this.#walk.to(parent, this.#parents);
    if (found === undefined || typeof found === 'string') return undefined;
    this.#lastParent.keep(parent, found);
    return found;
  }
}
