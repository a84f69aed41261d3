import type { ByteString, Node } from '../tree/index.ts';
import { directoryEntry, fileTypes } from './layout.ts';
import type { MetadataOutput } from './metadata-output.ts';
import { inlineTail } from './placement.ts';

/** What a directory's inode must know of its listing. */
export interface Listing {
  /** In bytes: whole blocks, then as many as the last one has of entries. */
  readonly size: number;
  /** The first entry of the last block, if that is kept behind the inode; otherwise the count of entries. */
  readonly tail: number;
}

/**
 * Writes directories, one after the other. Listings name inodes by their places (`nids`, by `Node.index`), which may change
 * until the last run. Entries are sorted by their bytes, `.` and `..` among them, for Linux finds a name by bisection: first
 * the block, then the entry. Each block stands for itself: entries, then names; what is behind the last name is zeros.
 */
export class DirectoryWriter {
  readonly #blockSize: number;
  readonly #nids: Float64Array;
  // Of the directory at hand, `.` and `..` included. Reused: most directories are small.
  #names: ByteString[] = [];
  #nodes: Node<unknown>[] = [];

  constructor(blockSize: number, nids: Float64Array) {
    this.#blockSize = blockSize;
    this.#nids = nids;
  }

  /** Appends the blocks of a listing, without the tail; the output is at a block's start, before and after. */
  writeBlocks(output: MetadataOutput, directory: Node<unknown>): Listing {
    this.#load(directory);
    const blockSize = this.#blockSize;
    const count = this.#names.length;
    let size = 0;
    for (let from = 0; ; ) {
      const end = this.#blockEnd(from);
      const used = this.#usedBytes;
      if (end === count) {
        const isTail = inlineTail(used, blockSize) > 0;
        if (!isTail) this.#write(output, from, end);
        if (!isTail) output.align(blockSize);
        return { size: size + used, tail: isTail ? from : count };
      }
      this.#write(output, from, end);
      output.align(blockSize);
      size += blockSize;
      from = end;
    }
  }

  /** Appends the entries that `writeBlocks` left to the inode. */
  writeTail(output: MetadataOutput, directory: Node<unknown>, from: number): void {
    this.#load(directory);
    this.#write(output, from, this.#names.length);
  }

  #load(directory: Node<unknown>): void {
    const { entries } = directory;
    const names: ByteString[] = [];
    const nodes: Node<unknown>[] = [];
    let dots = 0;
    for (const { name, node } of entries) {
      if (dots < 2 && name > '.') {
        if (dots === 0) {
          names.push('.');
          nodes.push(directory);
          dots = 1;
        }
        if (name > '..') {
          names.push('..');
          nodes.push(directory.parent);
          dots = 2;
        }
      }
      names.push(name);
      nodes.push(node);
    }
    if (dots === 0) {
      names.push('.');
      nodes.push(directory);
    }
    if (dots < 2) {
      names.push('..');
      nodes.push(directory.parent);
    }
    this.#names = names;
    this.#nodes = nodes;
  }

  /** Of the block that `#blockEnd` looked at last. */
  #usedBytes = 0;

  /** The first entry that does not fit into a block with `from` and those behind it. */
  #blockEnd(from: number): number {
    const names = this.#names;
    let used = 0;
    let end = from;
    for (; end < names.length; end++) {
      const next = used + directoryEntry.size + names[end]!.length;
      if (next > this.#blockSize) break;
      used = next;
    }
    this.#usedBytes = used;
    return end;
  }

  #write(output: MetadataOutput, from: number, end: number): void {
    const { nid, nameOffset, type } = directoryEntry.offsets;
    const start = output.take((end - from) * directoryEntry.size);
    const { bytes, view } = output;
    let name = (end - from) * directoryEntry.size;
    let at = start;
    for (let entry = from; entry < end; entry++) {
      const node = this.#nodes[entry]!;
      const number = this.#nids[node.index]!;
      view.setUint32(at + nid, number % 0x100000000, true);
      view.setUint32(at + nid + 4, Math.floor(number / 0x100000000), true);
      view.setUint16(at + nameOffset, name, true);
      bytes[at + type] = fileTypes[node.inode.type];
      name += this.#names[entry]!.length;
      at += directoryEntry.size;
    }
    for (let entry = from; entry < end; entry++) output.text(this.#names[entry]!);
  }
}
