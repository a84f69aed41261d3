import { createHash } from 'node:crypto';
import type { Content, DirectoryTarget } from '../../src/render/directory/index.ts';
import {
  type ByteString,
  type DirectoryInode,
  type Inode,
  type Node,
  noXattrs,
  type Timestamp,
  type Tree,
} from '../../src/tree/index.ts';

const common = { mode: 0o644, uid: 0, gid: 0, mtime: { seconds: 1, nanoseconds: 2 }, xattrs: noXattrs };
type Common = Partial<{
  mode: number;
  uid: number;
  gid: number;
  mtime: Timestamp;
  xattrs: ReadonlyMap<ByteString, Uint8Array>;
}>;

/** Makes inodes and remembers the files' bytes by their ids. */
export class Maker {
  readonly contents = new Map<number, Uint8Array>();

  file(bytes: string | Uint8Array, more: Common = {}): Inode<Content> {
    const id = this.contents.size;
    const content = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    this.contents.set(id, content);
    return { ...common, type: 'file', size: content.length, content: { id }, ...more };
  }

  directory(
    children: Record<string, Inode<Content>> | [ByteString, Inode<Content>][],
    more: Common = {},
  ): DirectoryInode<Content> {
    const entries = Array.isArray(children) ? children : Object.entries(children);
    return { ...common, mode: 0o755, type: 'directory', children: new Map(entries), ...more };
  }

  symlink(target: ByteString, more: Common = {}): Inode<Content> {
    return { ...common, mode: 0o777, type: 'symlink', target, ...more };
  }

  pipe(type: 'fifo' | 'socket', more: Common = {}): Inode<Content> {
    return { ...common, type, ...more };
  }

  device(type: 'block' | 'character', major: number, minor: number, more: Common = {}): Inode<Content> {
    return { ...common, type, major, minor, ...more };
  }

  /** Newest first, as the pipeline does: the order must not matter. */
  stage(target: DirectoryTarget): void {
    for (const [id, bytes] of [...this.contents].reverse()) {
      target.beginFile(id, bytes.length);
      target.appendFile(bytes);
      target.endFile();
    }
  }
}

/** Every name of a tree as one comparable line, hardlinks by the first name of their group; contents as `bytes` gives them. */
export function outline<C>(tree: Tree<C>, bytes: (content: C) => Uint8Array): string[] {
  const lines: string[] = [];
  const visit = (node: Node<C>, path: ByteString): void => {
    const { inode } = node;
    const { type, mode, uid, gid, mtime } = inode;
    const xattrs = [...inode.xattrs]
      .map(([name, value]) => `${name}=${Buffer.from(value).toString('hex')}`)
      .sort();
    const more =
      type === 'file'
        ? createHash('sha256')
            .update(inode.size === 0 ? '' : bytes(inode.content))
            .digest('hex')
        : type === 'symlink'
          ? inode.target
          : type === 'block' || type === 'character'
            ? `${inode.major}:${inode.minor}`
            : '';
    lines.push(
      JSON.stringify([
        path,
        type,
        type === 'symlink' ? 0 : mode,
        uid,
        gid,
        mtime,
        xattrs,
        more,
        node.path,
        node.links,
      ]),
    );
    for (const entry of node.entries) visit(entry.node, `${path}/${entry.name}`);
  };
  visit(tree.root, '');
  return lines;
}
