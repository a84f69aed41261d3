import type { Warnings } from '../error/index.ts';
import {
  createExhausted,
  defaultLimits,
  formatPlace,
  type LayerDirectory,
  type LayerEntry,
  type LayerHardlink,
  type LayerIndex,
  type LayerLimits,
} from '../layer/index.ts';
import {
  type ByteString,
  type DirectoryInode,
  type Inode,
  printable,
  type Timestamp,
} from '../tree/index.ts';
import {
  type Content,
  createDirectory,
  createImpliedDirectory,
  createLeaf,
  type Directory,
  describeDirectory,
} from './content.ts';
import { createMergeError } from './error.ts';
import type { MergeEvent } from './event.ts';
import { findLinkTarget, findTargetsBelow, type LinkTarget } from './hardlinks.ts';
import { type Course, LastParent, lastName, maximumLinks, parentPath, Walk, type WalkFault } from './walk.ts';
import { applyHit, findHits } from './whiteouts.ts';

export interface MergeOptions {
  /** The image's creation time, for directories that no entry describes; the epoch if it has none. */
  readonly created: Timestamp;
  readonly warnings: Warnings;
  /** `entries` and `pathDepth` count here; the defaults if absent. */
  readonly limits?: LayerLimits;
  /** Told of every change; for `why`. */
  readonly onEvent?: (event: MergeEvent) => void;
}

/**
 * The exact merge (ARCHITECTURE, "Merge semantics"): layers are applied oldest first to one tree in memory. Time is linear
 * in the entries (times the depth of paths), whatever is hidden or deleted; memory is linear in what stands. After an
 * error the tree is half changed and the merger of no more use.
 */
export class Merger {
  readonly #options: MergeOptions;
  readonly #limits: LayerLimits;
  readonly #onEvent: ((event: MergeEvent) => void) | undefined;
  readonly #root: Directory;
  readonly #walk: Walk;
  readonly #lastParent = new LastParent();
  readonly #lastTarget = new LastParent();
  #layer = 0;
  #count = 0;

  // Of the layer that is being applied.
  #entries: readonly LayerEntry[] = [];
  #position = 0;
  #targetsBelow: ReadonlyMap<number, LinkTarget> = new Map();
  /** Devices and pipes of this layer; a file says in its content which layer it is of. */
  readonly #ownLeaves = new Set<Inode<Content>>();
  /** Names that this layer has bound to inodes of the layers below. */
  readonly #ownLinks = new Map<Directory, Set<ByteString>>();
  /** Rule 7: a parent without an entry. */
  readonly #parents: Course = {
    obstacle: (walk, name, found) => this.#makeParent(walk, name, found),
    follows: () => true,
  };

  constructor(options: MergeOptions) {
    this.#options = options;
    this.#limits = options.limits ?? defaultLimits;
    this.#onEvent = options.onEvent;
    this.#root = createImpliedDirectory(options.created);
    this.#walk = new Walk(this.#root, this.#limits.pathDepth);
  }

  /** Applies the next newer layer. MergeError `invalid` where the contract rejects, LayerError `exhausted` by a limit. */
  apply(index: LayerIndex): void {
    const { entries } = index;
    this.#countEntries(entries.length);
    this.#entries = entries;
    this.#lastTarget.drop();
    this.#lastParent.drop();
    // What must be looked up as the layer found it, before anything changes.
    this.#targetsBelow = findTargetsBelow(entries, this.#root, this.#walk);
    const hits = findHits(entries, this.#walk, (fault, position) => this.#failWalk(fault, position));
    for (const hit of hits) {
      const { entry, directory, name } = hit;
      applyHit(hit);
      if (name === undefined) this.#onEvent?.({ kind: 'emptied', entry, directory });
      else this.#onEvent?.({ kind: 'deleted', entry, directory, name });
    }
    for (let position = 0; position < entries.length; position += 1) {
      this.#position = position;
      this.#applyEntry(entries[position]!);
    }
    this.#entries = [];
    this.#targetsBelow = new Map();
    this.#ownLeaves.clear();
    this.#ownLinks.clear();
    this.#layer += 1;
  }

  /** The inode at `path` as it stands; no symlink is followed. */
  lookup(path: ByteString): Inode<Content> | undefined {
    let inode: Inode<Content> | undefined = this.#root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      if (inode?.type !== 'directory') return undefined;
      inode = inode.children.get(name);
    }
    return inode;
  }

  /** The tree as it stands: not a copy, the next layer changes it. */
  root(): DirectoryInode<Content> {
    return this.#root;
  }

  #applyEntry(entry: LayerEntry): void {
    const { path, type } = entry;
    if (type === 'whiteout' || type === 'opaque') return;
    if (path === '') {
      if (type !== 'directory') throw this.#reject(path, `the root is a ${type}, not a directory`);
      this.#describe(this.#root, entry);
      return;
    }
    // The target is what stands before the link's own parents come into being.
    const linked = type === 'hardlink' ? this.#findTarget(entry) : undefined;
    const parent = this.#findParent(path);
    const name = lastName(path);
    if (type === 'directory') {
      const below = parent.children.get(name);
      if (below?.type === 'directory') this.#describe(below as Directory, entry);
      else this.#bind(parent, name, createDirectory(entry), below);
      return;
    }
    if (linked !== undefined) {
      if (!this.#isOwn(linked)) this.#claim(parent, name);
      this.#bind(parent, name, linked, parent.children.get(name));
    } else if (type !== 'hardlink') {
      const leaf = createLeaf(entry, { layer: this.#layer, entry: this.#position });
      if (type !== 'file' && type !== 'symlink') this.#ownLeaves.add(leaf);
      this.#bind(parent, name, leaf, parent.children.get(name));
    }
  }

  #bind(
    directory: Directory,
    name: ByteString,
    inode: Inode<Content>,
    replaced: Inode<Content> | undefined,
  ): void {
    if (replaced !== undefined && (replaced.type === 'directory' || replaced.type === 'symlink')) {
      this.#lastParent.drop();
      this.#lastTarget.drop();
    }
    directory.children.set(name, inode);
    this.#onEvent?.({ kind: 'bound', entry: this.#position, directory, name, implied: false });
  }

  #describe(directory: Directory, entry: LayerDirectory): void {
    describeDirectory(directory, entry);
    this.#onEvent?.({ kind: 'described', entry: this.#position, directory });
  }

  /** Rule 6: as it stands at this point of the stream, or else as the layer found it below. */
  #findTarget(entry: LayerHardlink): Inode<Content> {
    const { path, target } = entry;
    if (target === '') throw this.#reject(path, 'hardlink to the root, which is a directory');
    const found =
      findLinkTarget(target, this.#walk, this.#lastTarget) ?? this.#targetsBelow.get(this.#position);
    if (typeof found === 'string') this.#failWalk(found, this.#position);
    if (found === undefined) {
      throw this.#reject(path, `hardlink to ${printable(target)}, which does not exist`);
    }
    if (found.type === 'directory') {
      throw this.#reject(path, `hardlink to ${printable(target)}, which is a directory`);
    }
    return found;
  }

  #findParent(path: ByteString): Directory {
    const known = this.#lastParent.find(path);
    if (known !== undefined) return known;
    const parent = parentPath(path);
    const directory = this.#walk.to(parent, this.#parents);
    if (typeof directory === 'string') return this.#failWalk(directory, this.#position);
    // The course makes what is missing, or throws.
    this.#lastParent.keep(parent, directory!);
    return directory!;
  }

  #makeParent(walk: Walk, name: ByteString, found: Inode<Content> | undefined): Directory {
    const parent = walk.directory;
    if (found !== undefined) {
      const place = printable(walk.place(name));
      if (this.#isOwn(found) || this.#ownLinks.get(parent)?.has(name)) {
        const { path } = this.#entries[this.#position]!;
        throw this.#reject(path, `its parent ${place} is a ${found.type} of the same layer`);
      }
      this.#options.warnings.add({
        code: 'parent-replaced',
        message: `${formatPlace(this.#layer, walk.place(name))}: a ${found.type} of a layer below made way for a directory`,
        layer: this.#layer,
        path: place,
      });
    }
    const directory = createImpliedDirectory(this.#options.created);
    parent.children.set(name, directory);
    this.#onEvent?.({ kind: 'bound', entry: this.#position, directory: parent, name, implied: true });
    return directory;
  }

  /** Whether an inode that is not a directory came with this layer. */
  #isOwn(inode: Inode<Content>): boolean {
    return inode.type === 'file' ? inode.content.layer === this.#layer : this.#ownLeaves.has(inode);
  }

  #claim(directory: Directory, name: ByteString): void {
    const names = this.#ownLinks.get(directory);
    if (names === undefined) this.#ownLinks.set(directory, new Set([name]));
    else names.add(name);
  }

  #countEntries(more: number): void {
    this.#count += more;
    const { entries: limit } = this.#limits;
    if (this.#count <= limit) return;
    throw createExhausted('entries', { where: `layer ${this.#layer}`, limit, actual: this.#count });
  }

  #reject(path: ByteString, why: string): Error {
    return createMergeError(this.#layer, path, why);
  }

  #failWalk(fault: WalkFault, position: number): never {
    const { path } = this.#entries[position]!;
    if (fault === 'links')
      throw this.#reject(path, `its path runs through more than ${maximumLinks} symlinks`);
    const limit = this.#limits.pathDepth;
    throw createExhausted('pathDepth', { where: formatPlace(this.#layer, path), limit, actual: limit + 1 });
  }
}
