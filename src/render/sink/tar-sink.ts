import type { SlabPool } from '../../bytes/pool/index.ts';
import { ShaleError } from '../../error/index.ts';
import type { Content } from '../../merge/index.ts';
import { endOfArchive, formatHeader, padding, type TarEntry } from '../../tar/index.ts';
import {
  type ByteString,
  type Node,
  type NodeInode,
  noXattrs,
  printable,
  type Tree,
} from '../../tree/index.ts';
import type { NumberOf, Output, Sink } from './sink.ts';
import type { Spool } from './spool.ts';
import type { TarTarget } from './tar-target.ts';

const bufferBytes = 1024 * 1024;

/**
 * A canonical tar: the tree's paths in byte order, a directory before what it holds, the first name of a file with its
 * content and the others as hardlinks to it. It depends on the tree alone, not on the layers that made it. As data
 * comes before the tree, contents wait in a spool.
 */
export class TarSink implements Sink {
  readonly format = 'tar';
  readonly #target: TarTarget;
  readonly #spool: Spool;
  readonly #memory: Uint8Array;
  #numberOf: NumberOf = () => -1;
  #bytes = 0;
  readonly #buffer = Buffer.allocUnsafe(bufferBytes);
  #filled = 0;

  constructor(target: TarTarget, spool: Spool, slabs: SlabPool) {
    this.#target = target;
    this.#spool = spool;
    this.#memory = slabs.bytes;
  }

  begin(id: number): void {
    this.#spool.begin(id);
  }
  data(offset: number, length: number): void {
    this.#spool.append(this.#memory.subarray(offset, offset + length));
  }
  hole(length: number): void {
    this.#spool.hole(length);
  }
  end(): void {}
  async ready(): Promise<void> {}

  async restart(): Promise<void> {
    this.#spool.restart();
  }

  async finish(tree: Tree<Content>, numberOf: NumberOf): Promise<void> {
    this.#spool.settle();
    this.#numberOf = numberOf;
    const written = new Set<Node<Content>>();
    const first = tree.root;
    await this.#entry('./', first.inode);
    // Names, not nodes: a hardlink is one more name of a node.
    const stack = [{ node: first, next: 0 }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const entry = top.node.entries[top.next++];
      if (entry === undefined) {
        stack.pop();
        continue;
      }
      const { node, name } = entry;
      const path = top.node.path === '' ? name : `${top.node.path}/${name}`;
      if (node.inode.type === 'directory') {
        await this.#entry(`${path}/`, node.inode);
        stack.push({ node, next: 0 });
      } else if (written.has(node)) {
        await this.#put(formatHeader(hardlink(path, node)));
      } else {
        if (node.links > 1) written.add(node);
        await this.#entry(path, node.inode);
      }
    }
    await this.#put(endOfArchive);
    await this.#flush();
  }

  async commit(): Promise<Output> {
    await this.#target.commit();
    return { path: this.#target.path, format: this.format, bytes: this.#bytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#spool[Symbol.dispose]();
    await this.#target[Symbol.asyncDispose]();
  }

  async #entry(path: ByteString, inode: NodeInode<Content>): Promise<void> {
    await this.#put(formatHeader(describe(path, inode)));
    if (inode.type !== 'file' || inode.size === 0) return;
    for (let at = 0; at < inode.size; ) {
      if (this.#filled === bufferBytes) await this.#flush();
      const take = Math.min(inode.size - at, bufferBytes - this.#filled);
      this.#spool.read(this.#numberOf(inode), at, this.#buffer.subarray(this.#filled, this.#filled + take));
      this.#filled += take;
      at += take;
    }
    await this.#put(padding(inode.size));
  }

  async #put(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#filled === bufferBytes) await this.#flush();
      const take = Math.min(bytes.length - at, bufferBytes - this.#filled);
      this.#buffer.set(bytes.subarray(at, at + take), this.#filled);
      this.#filled += take;
      at += take;
    }
  }

  async #flush(): Promise<void> {
    await this.#target.write(this.#buffer.subarray(0, this.#filled));
    this.#bytes += this.#filled;
    this.#filled = 0;
  }
}

const nothing = { linkpath: '', size: 0, major: 0, minor: 0 } as const;

function describe(path: ByteString, inode: NodeInode<Content>): TarEntry {
  const { mode, uid, gid, mtime, xattrs } = inode;
  const common = { ...nothing, path, mode, uid, gid, mtime, xattrs };
  switch (inode.type) {
    case 'file':
      return { ...common, type: 'file', size: inode.size };
    case 'symlink':
      return { ...common, type: 'symlink', linkpath: inode.target };
    case 'block':
    case 'character':
      return { ...common, type: inode.type, major: inode.major, minor: inode.minor };
    case 'directory':
    case 'fifo':
      return { ...common, type: inode.type };
    case 'socket':
      throw new ShaleError('unsupported', `${printable(path)}: a tar cannot hold a socket`, {
        detail: { path },
      });
  }
}

/** What counts is the inode's metadata; a link repeats it, as GNU tar does, but for the xattrs. */
function hardlink(path: ByteString, { path: target, inode }: Node<Content>): TarEntry {
  const { mode, uid, gid, mtime } = inode;
  return { ...nothing, type: 'hardlink', path, linkpath: target, mode, uid, gid, mtime, xattrs: noXattrs };
}
