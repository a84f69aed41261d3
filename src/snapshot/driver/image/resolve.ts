import { closeSync, openSync } from 'node:fs';
import type { FileData } from '../../../erofs/data.ts';
import { FileLayout, writeErofs } from '../../../erofs/index.ts';
import { Warnings, wrapErrno } from '../../../error/index.ts';
import { writeAll } from '../../../host/index.ts';
import type { LayerEntry } from '../../../layer/index.ts';
import { type Content, merge } from '../../../merge/index.ts';
import { createHead, projectLayer, stackTrees } from '../../../overlay/index.ts';
import { ImageOutput } from '../../../stack/image-output.ts';
import { blockBytes, LayerContents, writeLayerImage } from '../../../stack/index.ts';
import { type FileInode, type Timestamp, type Tree, validateTree, type Xattrs } from '../../../tree/index.ts';
import { describeLayer } from './describe-layer.ts';
import { openLayer } from './open-layer.ts';
import { type Directory, rebuild } from './rebuild.ts';
import type { StoredContents } from './tar-layer.ts';

const epoch = { seconds: 0, nanoseconds: 0 };
const xattrs = 'trusted';

/**
 * Whether a layer by itself does not say what it means: it has a parent without an entry, which is what it is below; a hardlink to a file below;
 * something that stands elsewhere than its path says; an opaque root, which the kernel does not look at. `root`: it says nothing of the root directory alone.
 */
export function findNeed(entries: readonly LayerEntry[], tree: Tree<unknown>): 'nothing' | 'root' | 'all' {
  const described = new Set<string>();
  const leaves = new Set<string>();
  for (const entry of entries) {
    const { path, type } = entry;
    if (type === 'opaque' && path === '') return 'all';
    const isMark = type === 'whiteout' || type === 'opaque';
    // A parent that comes later, or not at all, is what it is below: a symlink, perhaps. (Marks may stand anywhere in a layer.)
    const parent = path.slice(0, Math.max(path.lastIndexOf('/'), 0));
    if (!isMark && parent !== '' && !described.has(parent)) return 'all';
    if (type === 'directory') described.add(path);
    else if (type === 'hardlink' && !leaves.has(entry.target)) return 'all';
    else if (!isMark) leaves.add(path);
  }
  let implied = 0;
  const found = new Set<string>();
  for (const { inode, path, entries } of tree.nodes) {
    if (inode.type !== 'directory') continue;
    found.add(path);
    if (!described.has(path)) implied += 1;
    for (const { name } of entries) found.add(path === '' ? name : `${path}/${name}`);
  }
  for (const { path, type } of entries) {
    if (type !== 'whiteout' && type !== 'opaque' && path !== '' && !found.has(path)) return 'all';
  }
  if (implied === 0) return 'nothing';
  return implied === 1 && !described.has('') ? 'root' : 'all';
}

/** Layers' files, nearest first; `unknown` while the layer may still be put onto others. */
export type Lowers = readonly string[] | 'unknown';

/**
 * Writes the metadata of a layer whose contents are in the file `path`, so that it shows on `lowers` what it means. Where it does not need them, the bytes are
 * those of the layer alone. Can be done again once more is known of them: `isFinal` says that this would change nothing. MergeError where the layer
 * cannot stand on them.
 */
export function writeTarLayer(
  path: string,
  { entries, diffId }: StoredContents,
  lowers: Lowers,
  options: MetadataOptions,
): { readonly isFinal: boolean } {
  const projection = projectLayer(entries, { layer: 0, xattrs });
  const need = findNeed(entries, projection);
  const isMarked = entries.some(({ type }) => type === 'whiteout' || type === 'opaque');
  if (lowers !== 'unknown') {
    // At the bottom there is nothing to delete, and who sees the layer alone sees no marks.
    if (need === 'all' || (lowers.length === 0 && isMarked)) {
      writeDifference(path, { entries, diffId }, lowers, options);
      return { isFinal: true };
    }
  }
  const root = need === 'root' && lowers !== 'unknown' ? lowers[0] : undefined;
  const tree = root === undefined ? projection : withRootOf(projection, root);
  writeLayerImage({ path, diffId, entries, tree, warnings: options.warnings });
  return { isFinal: lowers !== 'unknown' || (need === 'nothing' && !isMarked) };
}

export interface MetadataOptions {
  readonly warnings: Warnings;
  /** The image's: see `MergeOptions`. */
  readonly created?: Timestamp | undefined;
}

/** Owner, mode and xattrs of the root below; where these are what nobody has said anyway, not even the bytes change. */
function withRootOf(tree: Tree<Content>, lower: string): Tree<Content> {
  using layer = openLayer(lower);
  const { mode, uid, gid, xattrs } = layer.root;
  const own = tree.root.inode;
  if (mode === own.mode && uid === own.uid && gid === own.gid && xattrs.size === 0) return tree;
  const root = rebuild<Content, Content>(tree, {
    leaf: inode => inode,
    directory: (inode, children) => ({ ...inode, type: 'directory', children }),
  });
  return validateTree<Content>({ ...root, mode, uid, gid, xattrs: joinMarkers(own, xattrs) });
}

function joinMarkers({ xattrs: own }: Pick<Directory, 'xattrs'>, below: Xattrs): Xattrs {
  return new Map([...below].filter(([name]) => !name.startsWith('trusted.overlay.')).concat([...own]));
}

/** The layer as what it changes of what is below, as it would be found in an upper directory. */
function writeDifference(
  path: string,
  { entries, diffId }: StoredContents,
  lowers: readonly string[],
  { warnings, created = epoch }: MetadataOptions,
): void {
  using open = new DisposableStack();
  const below = lowers.toReversed().map(lower => describeLayer(open.use(openLayer(lower))));
  const indexes = below.map(({ entries }) => ({ entries }));
  const own = below.length;
  const merged = merge([...indexes, { entries }], { created, warnings: new Warnings() });
  const trees = below.map(({ entries }, layer) => projectLayer(entries, { layer, xattrs }));
  const tree = createHead(stackTrees(trees), merged, { xattrs });
  const contents = new LayerContents(entries);
  const layout = new FileLayout(blockBytes, contents.end);
  const copies = new Map<string, FileData>();
  const dataOf = ({ size, content: { layer, entry } }: FileInode<Content>): FileData =>
    size === 0 || layer === own ? contents.of(entry) : copies.get(`${layer}/${entry}`)!;
  const file = openFile(path);
  try {
    for (const { inode } of tree.nodes) {
      if (inode.type !== 'file' || inode.size === 0 || inode.content.layer === own) continue;
      const { layer, entry } = inode.content;
      const place = layout.place(inode.size);
      copies.set(`${layer}/${entry}`, place);
      let at = place.kind === 'plain' ? place.start : 0;
      for (const chunk of below[layer]!.read(entry)) {
        writeAll(file, chunk, at);
        at += chunk.length;
      }
    }
  } catch (error) {
    throw wrapErrno(error, `cannot write ${path}`);
  } finally {
    closeSync(file);
  }
  using output = new ImageOutput(path, layout.end);
  const identity = Buffer.from(diffId);
  output.finish(writeErofs(output, tree, { blockSize: blockBytes, identity, dataOf, warnings }));
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    throw wrapErrno(error, `cannot open ${path}`);
  }
}
