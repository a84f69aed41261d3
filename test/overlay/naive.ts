/**
 * OverlayFS with lower directories only, written down from what the kernel does at each lookup and each listing, in the most
 * literal way: no state, every name is looked for in every layer.
 */
import type { Content } from '../../src/merge/index.ts';
import type { DirectoryInode, Inode } from '../../src/tree/index.ts';
import type { ListedInode } from '../model/listing.ts';

type Directory = DirectoryInode<Content>;

/** All paths, '' first; the newest root comes first. A name that is listed and cannot be looked up has type `socket`. */
export function showOverlay(
  lowers: readonly Directory[],
  contentOf: (content: Content) => string,
): [string, ListedInode, unknown][] {
  const shown: [string, ListedInode, unknown][] = [];
  const visit = (path: string, parts: readonly Directory[]): void => {
    shown.push([path, hide(parts[0]!, contentOf), parts[0]]);
    for (const name of list(parts)) {
      const below = path === '' ? name : `${path}/${name}`;
      const found = lookUp(parts, name);
      if (found === undefined) {
        shown.push([below, { ...nothing, type: 'socket' }, below]);
      } else if (Array.isArray(found)) visit(below, found);
      else shown.push([below, hide(found as Inode<Content>, contentOf), found]);
    }
  };
  visit('', lowers);
  return shown;
}

const nothing = { mode: 0, uid: 0, gid: 0, mtime: { seconds: 0, nanoseconds: 0 }, xattrs: new Map() };

/** readdir: of several directories whiteouts are taken out, one is read as it is, unless it says it was copied up. */
function list(parts: readonly Directory[]): string[] {
  const names = new Set(parts.flatMap(part => [...part.children.keys()]));
  const filters = parts.length > 1 || parts[0]!.xattrs.has('trusted.overlay.origin');
  return [...names].filter(name => {
    const first = parts.find(part => part.children.has(name))!.children.get(name)!;
    return !(filters && isWhiteout(first));
  });
}

function lookUp(parts: readonly Directory[], name: string): Inode<Content> | Directory[] | undefined {
  const directories: Directory[] = [];
  for (const part of parts) {
    const inode = part.children.get(name);
    if (inode === undefined) continue;
    if (isWhiteout(inode)) break;
    if (inode.type !== 'directory') {
      if (directories.length === 0) return inode;
      break;
    }
    directories.push(inode);
    if (Buffer.from(inode.xattrs.get('trusted.overlay.opaque') ?? '').toString() === 'y') break;
  }
  return directories.length === 0 ? undefined : directories;
}

function isWhiteout(inode: Inode<Content>): boolean {
  return inode.type === 'character' && inode.major === 0 && inode.minor === 0;
}

function hide(inode: Inode<Content>, contentOf: (content: Content) => string): ListedInode {
  const xattrs = new Map([...inode.xattrs].filter(([name]) => !name.startsWith('trusted.overlay.')));
  if (inode.type !== 'file') return { ...inode, xattrs };
  return { ...inode, xattrs, content: inode.size === 0 ? '' : contentOf(inode.content) };
}
