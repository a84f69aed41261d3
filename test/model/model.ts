/**
 * The merge contract (ARCHITECTURE, "Merge semantics", rules 1 to 10), written down a second time, by somebody who has
 * not seen the engine, in the most literal way: layers go oldest first onto a plain tree, whose whole shape is copied
 * before each layer, so that "as the layer found it below" is simply there. Slow, and meant to be obviously right.
 */
import type { Timestamp } from '../../src/tree/index.ts';
import { formatListing, type ListedInode, type Outcome } from './listing.ts';
import { isOverlayXattr, type Purpose, Rejected, readPath, readPurpose } from './path.ts';
import type { LayerRecord, Stack } from './record.ts';

type Leaf = ListedInode;
interface Directory {
  readonly type: 'directory';
  meta: Pick<ListedInode, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs'>;
  readonly children: Map<string, Name>;
}
/** A name, and the layer that gave it: who made the inode behind it is another matter, for names may be hardlinks. */
interface Name {
  readonly inode: Leaf | Directory;
  readonly layer: number;
}

/** Rules 1 to 10 on a stack of layers. `created` is the image's creation time. */
export function applyModel(stack: Stack, created: Timestamp): Outcome {
  const warnings: Record<string, number> = {};
  const warn = (code: string): void => {
    warnings[code] = (warnings[code] ?? 0) + 1;
  };
  const root = createDirectory(created);
  try {
    for (const [layer, records] of stack.entries()) applyLayer(root, layer, records, created, warn);
  } catch (error) {
    if (error instanceof Rejected) return 'rejected';
    throw error;
  }
  const sorted = Object.fromEntries(Object.entries(warnings).sort());
  return { listing: formatListing(walk('', root)), warnings: sorted };
}

function applyLayer(
  root: Directory,
  layer: number,
  records: readonly LayerRecord[],
  created: Timestamp,
  warn: (code: string) => void,
): void {
  const below = copyDirectory(root);
  const purposes = omitLinks(
    records,
    records.map(record => readPurpose(record, warn)),
    warn,
  );
  applyWhiteouts(root, purposes);
  for (const [index, purpose] of purposes.entries()) {
    if (purpose.kind === 'entry') {
      applyEntry({ root, below, layer, created, warn }, records[index]!, purpose.path);
    }
  }
}

/**
 * Rule 10 where rule 6 meets it, on which the contract's text is silent: a hardlink to a path that last was a 0:0
 * device in the same layer is one more name of that device, and left out like it, rather than rejected or made a link
 * to whatever else stands there. (Whiteouts of an OverlayFS upper directory are hardlinks to one another.)
 */
function omitLinks(
  records: readonly LayerRecord[],
  purposes: readonly Purpose[],
  warn: (code: string) => void,
): readonly Purpose[] {
  const omitted = new Set<string>();
  return purposes.map((purpose, index): Purpose => {
    if (purpose.kind === 'omitted') omitted.add(purpose.path.join('/'));
    if (purpose.kind !== 'entry') return purpose;
    const path = purpose.path.join('/');
    const { type, linkpath } = records[index]!;
    if (type === 'hardlink' && omitted.has(readPath(linkpath).join('/'))) {
      warn('whiteout-device');
      omitted.add(path);
      return { kind: 'ignored' };
    }
    omitted.delete(path);
    return purpose;
  });
}

/** Rules 2 and 3: everything is looked up first, and only then deleted. */
function applyWhiteouts(root: Directory, purposes: readonly Purpose[]): void {
  const own = findOwnDirectories(root, purposes);
  const deletions: (() => void)[] = [];
  for (const purpose of purposes) {
    if (purpose.kind !== 'whiteout' && purpose.kind !== 'opaque') continue;
    const parent = findDirectory(root, purpose.parent, path => own.has(path));
    if (parent === undefined) continue;
    deletions.push(() => {
      if (purpose.kind === 'opaque') parent.children.clear();
      else parent.children.delete(purpose.name);
    });
  }
  for (const run of deletions) run();
}

/**
 * Where the layer's directory entries stand, for rule 2's "unless": like the whiteouts, they are looked up in the
 * result below as the layer found it.
 */
function findOwnDirectories(below: Directory, purposes: readonly Purpose[]): ReadonlySet<string> {
  const own = new Set<string>();
  const rehearsal = copyDirectory(below);
  const obtain = (parent: Directory, name: string): Directory => {
    const inode = createDirectory({ seconds: 0, nanoseconds: 0 });
    parent.children.set(name, { inode, layer: 0 });
    return inode;
  };
  for (const purpose of purposes) {
    const name = purpose.kind === 'entry' && purpose.directory ? purpose.path.at(-1) : undefined;
    if (purpose.kind !== 'entry' || name === undefined) continue;
    try {
      const parent = follow(rehearsal, purpose.path.slice(0, -1), obtain)!;
      own.add(join(parent.path, name));
      if (!isDirectory(parent.directory.children.get(name)?.inode)) obtain(parent.directory, name);
    } catch (error) {
      // A loop below, which the layer's own whiteouts may well take away before its entries come.
      if (!(error instanceof Rejected)) throw error;
    }
  }
  return own;
}

interface Layer {
  readonly root: Directory;
  readonly below: Directory;
  readonly layer: number;
  readonly created: Timestamp;
  warn(code: string): void;
}

/** Rules 4 to 8, for one entry. */
function applyEntry(state: Layer, record: LayerRecord, path: readonly string[]): void {
  const name = path.at(-1);
  if (name === undefined) {
    state.root.meta = readMetadata(record);
    return;
  }
  const target = record.type === 'hardlink' ? findTarget(state, readPath(record.linkpath)) : undefined;
  const parent = reachParent(state, path.slice(0, -1));
  const old = parent.children.get(name)?.inode;
  let inode: Leaf | Directory;
  if (target !== undefined) {
    inode = target;
  } else if (record.type !== 'directory') {
    inode = readLeaf(record);
  } else if (isDirectory(old)) {
    old.meta = readMetadata(record);
    inode = old;
  } else {
    inode = { type: 'directory', meta: readMetadata(record), children: new Map() };
  }
  parent.children.set(name, { inode, layer: state.layer });
}

/** Rule 6. */
function findTarget(state: Layer, path: readonly string[]): Leaf {
  const name = path.at(-1);
  if (name === undefined) throw new Rejected('a hardlink to the root');
  const find = (root: Directory): Leaf | Directory | undefined =>
    findDirectory(root, path.slice(0, -1))?.children.get(name)?.inode;
  const inode = find(state.root) ?? find(state.below);
  if (inode === undefined) throw new Rejected('a hardlink to nothing');
  if (isDirectory(inode)) throw new Rejected('a hardlink to a directory');
  return inode;
}

/** Rule 7: the directory that a path's parents lead to, made where it is missing. */
function reachParent(state: Layer, path: readonly string[]): Directory {
  const reached = follow(state.root, path, (directory, name, found) => {
    if (found !== undefined && found.layer === state.layer) {
      throw new Rejected('a parent that the same layer made a non-directory');
    }
    if (found !== undefined) state.warn('parent-replaced');
    const inode = createDirectory(state.created);
    directory.children.set(name, { inode, layer: state.layer });
    return inode;
  });
  return reached!.directory;
}

function findDirectory(
  root: Directory,
  path: readonly string[],
  isOwn: (path: string) => boolean = () => false,
): Directory | undefined {
  return follow(root, path, () => undefined, isOwn)?.directory;
}

/**
 * Walks from the root through directories and symlinks, as a process in a chroot does. `obtain` gives a directory
 * where there is none. A symlink at a path for which `isOwn` holds leads nowhere: rule 2's "unless".
 */
function follow(
  root: Directory,
  path: readonly string[],
  obtain: (parent: Directory, name: string, found: Name | undefined) => Directory | undefined,
  isOwn: (path: string) => boolean = () => false,
): { readonly directory: Directory; readonly path: string } | undefined {
  // Where the walk is: every directory from the root down, with its real path; '..' goes up in it.
  let trail: { directory: Directory; path: string }[] = [{ directory: root, path: '' }];
  let steps = path;
  let links = 0;
  for (let name = steps[0]; name !== undefined; name = steps[0]) {
    steps = steps.slice(1);
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (trail.length > 1) trail = trail.slice(0, -1);
      continue;
    }
    const here = trail.at(-1)!;
    const real = join(here.path, name);
    const found = here.directory.children.get(name);
    if (found?.inode.type === 'symlink') {
      if (isOwn(real)) return undefined;
      links += 1;
      if (links > 40) throw new Rejected('too many symlinks');
      const target = (found.inode as Leaf).target!;
      steps = [...target.split('/'), ...steps];
      if (target.startsWith('/')) trail = trail.slice(0, 1);
      continue;
    }
    const directory = isDirectory(found?.inode) ? found.inode : obtain(here.directory, name, found);
    if (directory === undefined) return undefined;
    trail = [...trail, { directory, path: real }];
  }
  return trail.at(-1)!;
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}/${name}`;
}

function isDirectory(inode: Leaf | Directory | undefined): inode is Directory {
  return inode !== undefined && 'children' in inode;
}

function createDirectory(mtime: Timestamp): Directory {
  return {
    type: 'directory',
    meta: { mode: 0o755, uid: 0, gid: 0, mtime, xattrs: new Map() },
    children: new Map(),
  };
}

/** All directories anew; what is no directory never changes, so it is shared, and with it the inode's identity. */
function copyDirectory(directory: Directory): Directory {
  const children = [...directory.children].map(([name, { inode, layer }]): [string, Name] => [
    name,
    { inode: isDirectory(inode) ? copyDirectory(inode) : inode, layer },
  ]);
  return { type: 'directory', meta: directory.meta, children: new Map(children) };
}

function readMetadata(record: LayerRecord): Directory['meta'] {
  const { mode, uid, gid, mtime, xattrs } = record;
  return { mode, uid, gid, mtime, xattrs: new Map([...xattrs].filter(([name]) => !isOverlayXattr(name))) };
}

function readLeaf(record: LayerRecord): Leaf {
  const { type, size, content, linkpath: target, major, minor } = record;
  const meta = readMetadata(record);
  if (type === 'file') return { type, ...meta, size, content };
  if (type === 'symlink') return { type, ...meta, target };
  if (type === 'fifo') return { type, ...meta };
  if (type === 'block' || type === 'character') return { type, ...meta, major, minor };
  throw new Error(`${type} is not a leaf`);
}

function* walk(path: string, inode: Leaf | Directory): Generator<readonly [string, ListedInode, unknown]> {
  if (!isDirectory(inode)) {
    yield [path, inode, inode];
    return;
  }
  yield [path, { type: 'directory', ...inode.meta }, inode];
  for (const [name, child] of inode.children) yield* walk(join(path, name), child.inode);
}
