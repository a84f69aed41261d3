import type { Warnings } from '../error/index.ts';
import { type Node, printable, type Tree } from '../tree/index.ts';
import { unsupported } from './block-number.ts';
import { commonTime } from './build-time.ts';
import type { DataOf, ErofsAlgorithm, FileData } from './data.ts';
import { DirectoryWriter } from './directory-writer.ts';
import { ErofsError } from './error.ts';
import { type InodeContext, writeInode } from './inode-writer.ts';
import { slotSize } from './layout.ts';
import { MetadataMeasure, type MetadataOutput, type MetadataWriter } from './metadata-output.ts';
import { inlineTail, Placement } from './placement.ts';
import { type HeadOptions, longPrefixes } from './superblock-writer.ts';
import { XattrWriter } from './xattr-writer.ts';

export interface TreeOptions<C = FileData> {
  /** Where the bytes of files lie; `content` says it if this is absent. */
  readonly dataOf?: DataOf<C>;
  /** Fills `target` with what is behind the full blocks of an inline file; needed when the tree has one. */
  readonly readTail?: (node: Node<C>, target: Uint8Array) => void;
  readonly warnings: Warnings;
}

/** Linux reads a target through one page, and a NUL behind it. */
const maxTarget = 4095;

/** What is between data and end: shared xattrs, blocks of directories and of long targets; then inodes. */
export class TreeWriter<C> {
  readonly nids: Float64Array;
  readonly time: InodeContext['time'];
  readonly extents = new Map<ErofsAlgorithm, number>();
  hasChunks = false;
  xattrStart = 0;
  readonly #tree: Tree<C>;
  readonly #options: HeadOptions & TreeOptions<C>;
  readonly #dataOf: DataOf<C>;
  readonly #xattrs: XattrWriter;
  readonly #directories: DirectoryWriter;
  readonly #inodes: InodeContext;
  /** By `Node.index`, of directories: the first entry behind the inode. */
  readonly #firsts: Uint32Array;

  constructor(tree: Tree<C>, options: HeadOptions & TreeOptions<C>) {
    const { nodes } = tree;
    const { blockSize, devices = [] } = options;
    this.#tree = tree;
    this.#options = options;
    this.#dataOf = options.dataOf ?? (({ content }) => content as FileData);
    this.#xattrs = new XattrWriter(nodes, longPrefixes(options), options.warnings);
    this.time = commonTime(nodes);
    this.nids = new Float64Array(nodes.length);
    this.#directories = new DirectoryWriter(blockSize, this.nids);
    this.#firsts = new Uint32Array(nodes.length);
    this.#inodes = {
      blockSize,
      deviceCount: devices.length,
      time: this.time,
      xattrs: this.#xattrs,
      starts: new Float64Array(nodes.length),
      sizes: new Float64Array(nodes.length),
      tails: new Uint16Array(nodes.length),
      dataOf: this.#dataOf as DataOf,
    };
    for (const node of nodes) this.#chooseTail(node);
  }

  get hasXattrs(): boolean {
    return !this.#xattrs.isEmpty;
  }

  /** Blocks that inodes refer to. The second run writes the same, with what was not known at the first: nids. */
  writeBlocks(output: MetadataOutput): void {
    const { blockSize } = this.#options;
    const { starts, sizes, tails } = this.#inodes;
    output.align(blockSize);
    this.xattrStart = output.position;
    this.#xattrs.writeShared(output);
    output.align(blockSize);
    for (const node of this.#tree.nodes) {
      const { inode, index } = node;
      if (inode.type === 'directory') {
        // Most directories are small: the first run has found that they have no block of their own.
        if (tails[index]! > 0 && this.#firsts[index] === 0) continue;
        starts[index] = output.position;
        const { size, tail } = this.#directories.writeBlocks(output, node);
        sizes[index] = size;
        this.#firsts[index] = tail;
        tails[index] = tail < node.entries.length + 2 ? size % blockSize : 0;
      } else if (inode.type === 'symlink' && tails[index] === 0) {
        starts[index] = output.position;
        output.text(inode.target);
        output.align(blockSize);
      }
    }
  }

  /** The root comes first, for its nid has 16 bits; then what each directory holds, one next to the other. */
  placeInodes(): void {
    const { nodes, root } = this.#tree;
    // Nid 0 stays free: names with the inode number 0 are hidden from listings.
    const placement = new Placement(this.#options.blockSize, slotSize);
    this.#place(placement, root);
    for (const { entries } of nodes) {
      for (const { node } of entries) if (this.nids[node.index] === 0) this.#place(placement, node);
    }
  }

  writeInodes(output: MetadataWriter): void {
    const { nids } = this;
    const { nodes } = this.#tree;
    const start = output.position;
    for (const index of inOrderOf(nids)) {
      output.skipTo(start + nids[index]! * slotSize);
      const node = nodes[index]!;
      writeInode(output, this.#inodes, node);
      this.#writeTail(output, node);
    }
  }

  #chooseTail(node: Node<C>): void {
    const { inode, index } = node;
    const { blockSize } = this.#options;
    const { tails } = this.#inodes;
    if (inode.type === 'file' && inode.size > 0) {
      const data = this.#dataOf(inode);
      if (data.kind === 'inline') tails[index] = inlineTail(inode.size, blockSize);
      else if (data.kind === 'chunked') this.hasChunks = true;
      else if (data.kind === 'compressed') {
        const largest = this.extents.get(data.algorithm) ?? 0;
        this.extents.set(data.algorithm, Math.max(largest, data.extentBytes));
      }
    } else if (inode.type === 'symlink') {
      const { length } = inode.target;
      if (length > maxTarget) {
        throw unsupported(node.path, `a symlink with a target of ${length} bytes, ${maxTarget} at most`);
      }
      tails[index] = length;
      if (this.#measureInode(node) + length > blockSize) tails[index] = 0;
    }
  }

  readonly #measure = new MetadataMeasure(0);

  /** Bytes of an inode without its tail. */
  #measureInode(node: Node<C>): number {
    this.#measure.position = 0;
    writeInode(this.#measure, this.#inodes, node);
    return this.#measure.position;
  }

  #place(placement: Placement, node: Node<C>): void {
    const head = this.#measureInode(node);
    const tail = this.#inodes.tails[node.index]!;
    const position = placement.place(head, tail, node.inode.type === 'symlink' && tail > 0);
    this.nids[node.index] = position / slotSize;
  }

  #writeTail(output: MetadataOutput, node: Node<C>): void {
    const { inode, index } = node;
    const tail = this.#inodes.tails[index]!;
    if (tail === 0) return;
    if (inode.type === 'directory') this.#directories.writeTail(output, node, this.#firsts[index]!);
    else if (inode.type === 'symlink') output.text(inode.target);
    else {
      const { readTail } = this.#options;
      if (readTail === undefined) {
        throw new ErofsError('internal', `nothing gives the tail of /${printable(node.path)}`);
      }
      output.fill(tail, target => readTail(node, target));
    }
  }
}

/** The positions of different whole numbers, the smallest number first. Sorting plain numbers is many times as fast as asking which comes first. */
function inOrderOf(numbers: Float64Array): Float64Array {
  const { length } = numbers;
  const keys = numbers.map((number, index) => number * length + index);
  return keys.sort().map(key => key % length);
}
