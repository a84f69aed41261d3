import type { BlockCompressor } from '../bytes/codec/types.ts';
import { u64 } from '../bytes/struct.ts';
import type { Warnings } from '../error/index.ts';
import { type ByteString, type NodeInode, printable, type Xattrs } from '../tree/index.ts';
import {
  xattrEntry,
  xattrId,
  xattrOutOfLine,
  xattrPrefixes,
  xattrTableHeader,
  xattrValue,
} from './layout.ts';
import { MetadataWriter, type TableOutput, writeLookupTable } from './metadata-writer.ts';

/** What Linux can hand out: longer names and values would be in the image and out of everybody's reach. */
const maxName = 255;
const maxValue = 65536;
/** A value from this size on is stored once and referred to; below, finding it elsewhere costs more than it saves. */
const sharedValue = 64;

interface Pair {
  readonly type: number;
  readonly name: ByteString;
  readonly value: Uint8Array;
}

/**
 * Collects the xattrs of all inodes. A set that several inodes have in common is stored once, and so is a large value
 * that several sets have in common: its first use holds it, later ones refer to it.
 */
export class XattrWriter {
  readonly #pairs: MetadataWriter;
  readonly #ids: MetadataWriter;
  readonly #warnings: Warnings;
  readonly #known = new Map<Xattrs, readonly Pair[]>();
  readonly #sets = new Map<string, number>();
  readonly #values = new Map<string, number>();

  constructor(compressor: BlockCompressor | undefined, warnings: Warnings) {
    this.#pairs = new MetadataWriter(compressor);
    this.#ids = new MetadataWriter(compressor);
    this.#warnings = warnings;
  }

  /** The number of the inode's set; undefined when it has none that squashfs can hold. Warns of what is left out. */
  index(inode: NodeInode<unknown>, path: ByteString): number | undefined {
    if (inode.xattrs.size === 0) return undefined;
    let pairs = this.#known.get(inode.xattrs);
    if (pairs === undefined) {
      pairs = this.#select(inode.xattrs, path);
      if (pairs.length === inode.xattrs.size) this.#known.set(inode.xattrs, pairs);
    }
    if (pairs.length === 0) return undefined;
    const key = pairs
      .map(pair => `${pair.type}${pair.name}\0${pair.value.length}:${latin1(pair.value)}`)
      .join('');
    let index = this.#sets.get(key);
    if (index === undefined) {
      index = this.#sets.size;
      this.#sets.set(key, index);
      this.#store(pairs);
    }
    return index;
  }

  /** Stores a set that no inode has, if there is none at all: a table without sets is damage to the kernel. */
  fill(): void {
    if (!this.isEmpty) return;
    this.#sets.set('', 0);
    this.#store([{ type: xattrPrefixes.indexOf('trusted.'), name: 'nobody', value: new Uint8Array(0) }]);
  }

  get isEmpty(): boolean {
    return this.#sets.size === 0;
  }

  /** Returns the position that the superblock points to. */
  write(output: TableOutput): number {
    const head = new Uint8Array(xattrTableHeader.size);
    xattrTableHeader.write(head, 0, { pairsStart: output.position, count: this.#sets.size, unused: 0 });
    this.#pairs.flush(output);
    return writeLookupTable(output, this.#ids, head);
  }

  #select(xattrs: Xattrs, path: ByteString): Pair[] {
    const pairs: Pair[] = [];
    for (const name of [...xattrs.keys()].sort()) {
      const value = xattrs.get(name)!;
      const type = xattrPrefixes.findIndex(prefix => name.startsWith(prefix));
      const rest = type < 0 ? '' : name.slice(xattrPrefixes[type]!.length);
      const reason =
        type < 0
          ? 'squashfs holds user.*, trusted.* and security.* only'
          : rest === '' || rest.includes('\0')
            ? 'it is not a name that can be asked for'
            : name.length > maxName
              ? `its name has more than ${maxName} bytes`
              : value.length > maxValue
                ? `its value has ${value.length} bytes, more than ${maxValue}`
                : undefined;
      if (reason === undefined) pairs.push({ type, name: rest, value });
      else {
        const message = `xattr ${printable(name)} of /${printable(path)} is left out: ${reason}`;
        this.#warnings.add({ code: 'xattr-dropped', message, path });
      }
    }
    return pairs;
  }

  #store(pairs: readonly Pair[]): void {
    const { reference } = this.#pairs;
    let size = 0;
    for (const { type, name, value } of pairs) {
      const key = value.length >= sharedValue ? latin1(value) : undefined;
      const shared = key === undefined ? undefined : this.#values.get(key);
      this.#pairs.put(xattrEntry, {
        type: shared === undefined ? type : type + xattrOutOfLine,
        nameSize: name.length,
      });
      this.#pairs.text(name);
      if (shared === undefined) {
        if (key !== undefined) this.#values.set(key, this.#pairs.reference);
        this.#pairs.put(xattrValue, { size: value.length });
        this.#pairs.append(value);
        size += value.length;
      } else {
        this.#pairs.put(xattrValue, { size: 8 });
        this.#pairs.put(u64, shared);
        size += 8;
      }
      size += xattrEntry.size + name.length + xattrValue.size;
    }
    this.#ids.put(xattrId, { reference, count: pairs.length, size });
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
