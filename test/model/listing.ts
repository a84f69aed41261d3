import type { DirectoryInode, Inode } from '../../src/tree/index.ts';

/** Anything that has names in it: a merged tree, the model's tree, a directory on disk. */
export interface ListedInode {
  readonly type: Inode<unknown>['type'];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: { readonly seconds: number; readonly nanoseconds: number };
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  readonly target?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly size?: number;
  readonly content?: string;
}

/** One line a path, in byte order of the paths; a file that has several names says so on each of their lines. */
export type Listing = readonly string[];

/** What came of a stack of layers: a tree and its warnings by code, or a rejection. */
export type Outcome =
  | { readonly listing: Listing; readonly warnings: Readonly<Record<string, number>> }
  | 'rejected';

/** Writes out every fact of every path, so that two trees are equal exactly if their listings are. */
export function formatListing(
  entries: Iterable<readonly [path: string, inode: ListedInode, identity: unknown]>,
): Listing {
  const all = [...entries];
  const names = new Map<unknown, string[]>();
  for (const [path, , identity] of all) names.set(identity, [...(names.get(identity) ?? []), path]);
  return all
    .map(([path, inode, identity]) => [path, formatInode(inode, names.get(identity)!.sort())] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, text]) => `/${path} ${text}`);
}

function formatInode(inode: ListedInode, names: readonly string[]): string {
  const { type, mode, uid, gid, mtime, xattrs } = inode;
  const words: string[] = [type, mode.toString(8), `${uid}:${gid}`, `${mtime.seconds}.${mtime.nanoseconds}`];
  if (type === 'symlink') words.push(`-> ${JSON.stringify(inode.target)}`);
  if (type === 'block' || type === 'character') words.push(`${inode.major}:${inode.minor}`);
  if (type === 'file')
    words.push(`size ${inode.size}`, inode.size === 0 ? 'empty' : `content ${inode.content}`);
  for (const name of [...xattrs.keys()].sort()) {
    words.push(`${name}=${Buffer.from(xattrs.get(name)!).toString('hex')}`);
  }
  if (type !== 'directory' && names.length > 1)
    words.push(`names ${names.map(name => `/${name}`).join(' ')}`);
  return words.join(' ');
}

/** All paths of a tree of inodes, '' first; `contentOf` names a file's bytes. */
export function* walkTree<C>(
  root: DirectoryInode<C>,
  contentOf: (content: C) => string,
): Generator<readonly [string, ListedInode, unknown]> {
  const pending: [string, Inode<C>][] = [['', root]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [path, inode] = next;
    if (inode.type === 'file') {
      yield [path, { ...inode, content: inode.size === 0 ? '' : contentOf(inode.content) }, inode];
    } else {
      yield [path, inode, inode];
    }
    if (inode.type !== 'directory') continue;
    for (const [name, child] of inode.children) pending.push([path === '' ? name : `${path}/${name}`, child]);
  }
}
