import type { ByteString, Xattrs } from '../tree/index.ts';
import type { Budget } from './budget.ts';
import { longPrefix, xattrEntry, xattrHeader, xattrPrefixes, xattrUnit } from './layout.ts';
import { corrupt, type MetadataReader } from './metadata-reader.ts';
import type { StoredSuperblock } from './superblock-reader.ts';

/** What a pair costs in memory, apart from its name and value. */
const pairCost = 128;

/** Reads bytes of the packed inode, where some writers put the long prefixes. */
export type PackedReader = (position: number, size: number) => Buffer;

/** Reads the xattrs of inodes: those of their own, and the shared ones. */
export class XattrReader {
  readonly #metadata: MetadataReader;
  readonly #superblock: StoredSuperblock;
  readonly #packed: PackedReader | undefined;
  #prefixes: readonly ByteString[] | undefined;

  constructor(metadata: MetadataReader, superblock: StoredSuperblock, packed: PackedReader | undefined) {
    this.#metadata = metadata;
    this.#superblock = superblock;
    this.#packed = packed;
  }

  /** From `start`, where the header is, to the end of what the inode says of its size. */
  read(start: number, size: number, budget: Budget): Xattrs {
    const xattrs = new Map<ByteString, Uint8Array>();
    const header = this.#metadata.read('xattr', start, xattrHeader);
    const end = start + size;
    let position = start + xattrHeader.size;
    if (position + header.sharedCount * xattrUnit > end) {
      throw corrupt('xattr', start, `${header.sharedCount} shared xattrs in ${size} bytes`);
    }
    const { xattrBlock, blockSize } = this.#superblock;
    for (let count = header.sharedCount; count > 0; count--) {
      const id = this.#metadata.take('xattr', position, xattrUnit).readUInt32LE(0);
      this.#entry(xattrs, xattrBlock * blockSize + id * xattrUnit, this.#metadata.end, budget);
      position += xattrUnit;
    }
    while (position < end) position = this.#entry(xattrs, position, end, budget);
    return xattrs;
  }

  /** Adds the xattr at `position`; returns where the next one begins. */
  #entry(xattrs: Map<ByteString, Uint8Array>, position: number, end: number, budget: Budget): number {
    const { nameSize, prefix, valueSize } = this.#metadata.read('xattr', position, xattrEntry);
    const size = xattrEntry.size + nameSize + valueSize;
    if (position + size > end) throw corrupt('xattr', position, 'an xattr that is longer than its room');
    const next = position + Math.ceil(size / xattrUnit) * xattrUnit;
    // Room that a writer left for later.
    if (nameSize === 0 && prefix === 0 && valueSize === 0) return next;
    budget.charge(pairCost + nameSize + valueSize);
    const text = this.#metadata.take('xattr', position + xattrEntry.size, nameSize).toString('latin1');
    const name = this.#prefix(prefix, position) + text;
    if (text.includes('\0')) throw corrupt('xattr', position, `a name with a NUL`);
    if (xattrs.has(name)) throw corrupt('xattr', position, 'an inode that has the same xattr twice');
    const value = this.#metadata.take('xattr', position + xattrEntry.size + nameSize, valueSize);
    xattrs.set(name, new Uint8Array(value));
    return next;
  }

  #prefix(index: number, position: number): ByteString {
    if (index >= longPrefix) this.#prefixes ??= this.#long();
    const prefix = index < longPrefix ? xattrPrefixes[index] : this.#prefixes?.[index - longPrefix];
    if (prefix === undefined) throw corrupt('xattr', position, `an xattr of prefix 0x${index.toString(16)}`);
    return prefix;
  }

  #long(): ByteString[] {
    const { xattrPrefixCount, xattrPrefixStart } = this.#superblock;
    const take: PackedReader =
      this.#packed ?? ((position, size) => this.#metadata.take('xattr prefix', position, size));
    const prefixes: ByteString[] = [];
    let position = xattrPrefixStart * xattrUnit;
    for (let count = xattrPrefixCount; count > 0; count--) {
      const size = take(position, 2).readUInt16LE(0);
      if (size === 0 || size > 256) throw corrupt('xattr prefix', position, `a prefix of ${size} bytes`);
      const bytes = take(position + 2, size);
      const base = xattrPrefixes[bytes[0]!];
      if (base === undefined) throw corrupt('xattr prefix', position, `a prefix on prefix ${bytes[0]}`);
      prefixes.push(base + bytes.toString('latin1', 1));
      position += Math.ceil((2 + size) / xattrUnit) * xattrUnit;
    }
    return prefixes;
  }
}
