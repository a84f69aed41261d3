import type { Warnings } from '../error/index.ts';
import { type ByteString, type Node, printable, type Xattrs } from '../tree/index.ts';
import { longPrefix, xattrEntry, xattrHeader, xattrPrefixes, xattrUnit } from './layout.ts';
import type { MetadataOutput } from './metadata-output.ts';
import { xxh32 } from './xxh32.ts';

/** What Linux can hand out. */
const maxName = 255;
/** What an entry has a number for. */
const maxValue = 0xffff;
/** Of one inode; the count has 8 bits. */
const maxShared = 255;
/** Of one inode, in units behind the header; the count has 16 bits, and is one more. */
const maxUnits = 0xfffe;
const filterSeed = 0x25bbe08f;
const ownPrefixes = Object.entries(xattrPrefixes).map(([index, prefix]) => ({
  index: Number(index),
  prefix,
}));

/** A prefix of the image's own table. */
export interface LongPrefix {
  /** The number of the usual prefix that it begins with. */
  readonly base: number;
  /** What follows that. */
  readonly rest: ByteString;
}

/** One name with one value. */
interface Pair {
  readonly fullName: ByteString;
  readonly prefix: number;
  /** Without the prefix. */
  readonly name: ByteString;
  readonly value: Uint8Array;
  /** The bit of the filter that names of this hash share. */
  readonly bit: number;
  uses: number;
  /** In the shared area, in units; -1: not there. */
  id: number;
}

/** What one or more inodes have. */
interface PairSet {
  readonly inline: readonly Pair[];
  readonly shared: readonly Pair[];
  readonly units: number;
  readonly filter: number;
}

/**
 * The xattrs of all inodes. What two or more have in common, name and value, is in the shared area, once; so is what an inode
 * has no room for. The rest stands behind its inode. Warns of what the format cannot hold, and leaves it out.
 */
export class XattrWriter {
  readonly #warnings: Warnings;
  readonly #prefixes: readonly {
    readonly index: number;
    readonly prefix: ByteString;
    readonly base: number;
  }[];
  readonly #pairs = new Map<ByteString, Pair>();
  readonly #shared: Pair[] = [];
  readonly #sets = new Map<number, PairSet>();

  constructor(nodes: readonly Node<unknown>[], long: readonly LongPrefix[], warnings: Warnings) {
    this.#warnings = warnings;
    this.#prefixes = [
      ...long.map(({ base, rest }, place) => ({
        index: longPrefix + place,
        prefix: `${xattrPrefixes[base]}${rest}`,
        base,
      })),
      ...ownPrefixes.map(({ index, prefix }) => ({ index, prefix, base: index })),
    ].sort((a, b) => b.prefix.length - a.prefix.length);
    const known = new Map<Xattrs, readonly Pair[]>();
    const lists = new Map<number, readonly Pair[]>();
    for (const node of nodes) {
      const { xattrs } = node.inode;
      if (xattrs.size === 0) continue;
      let list = known.get(xattrs);
      if (list === undefined) {
        list = this.#select(node);
        if (list.length === xattrs.size) known.set(xattrs, list);
      }
      if (list.length === 0) continue;
      for (const pair of list) pair.uses += 1;
      lists.set(node.index, list);
    }
    const sets = new Map<readonly Pair[], PairSet>();
    for (const [index, list] of lists) {
      let set = sets.get(list);
      if (set === undefined) {
        set = this.#divide(list, nodes[index]!);
        sets.set(list, set);
      }
      if (set.units > 0) this.#sets.set(index, set);
    }
    this.#pairs.clear();
  }

  get isEmpty(): boolean {
    return this.#sets.size === 0;
  }

  /** What an inode's `xattrCount` says; 0 when it has none. */
  count(index: number): number {
    const set = this.#sets.get(index);
    return set === undefined ? 0 : set.units + 1;
  }

  /** Appends the shared area, whose ids are known from now on. */
  writeShared(output: MetadataOutput): void {
    const start = output.position;
    for (const pair of this.#shared) {
      pair.id = (output.position - start) / xattrUnit;
      writePair(output, pair);
    }
  }

  /** Appends what stands behind an inode. */
  write(output: MetadataOutput, index: number): void {
    const set = this.#sets.get(index);
    if (set === undefined) return;
    const at = output.take(xattrHeader.size);
    output.view.setUint32(at + xattrHeader.offsets.filter, set.filter, true);
    output.bytes[at + xattrHeader.offsets.sharedCount] = set.shared.length;
    for (const { id } of set.shared) {
      const place = output.take(xattrUnit);
      output.view.setUint32(place, id, true);
    }
    for (const pair of set.inline) writePair(output, pair);
  }

  #select(node: Node<unknown>): Pair[] {
    const list: Pair[] = [];
    const { xattrs } = node.inode;
    for (const name of [...xattrs.keys()].sort()) {
      const value = xattrs.get(name)!;
      const known = this.#prefixes.find(({ index, prefix }) =>
        isWhole(index) ? name === prefix : name.startsWith(prefix) && name.length > prefix.length,
      );
      const reason =
        known === undefined
          ? 'EROFS holds user.*, trusted.*, security.* and POSIX ACLs only'
          : name.includes('\0')
            ? 'it is not a name that can be asked for'
            : name.length > maxName
              ? `its name has more than ${maxName} bytes`
              : value.length > maxValue
                ? `its value has ${value.length} bytes, more than ${maxValue}`
                : undefined;
      if (known === undefined || reason !== undefined) this.#drop(node, name, reason!);
      else list.push(this.#pair(known.index, known.base, known.prefix.length, name, value));
    }
    return list;
  }

  #drop({ path }: Node<unknown>, name: ByteString, reason: string): void {
    const message = `xattr ${printable(name)} of /${printable(path)} is left out: ${reason}`;
    this.#warnings.add({ code: 'xattr-dropped', message, path });
  }

  #pair(prefix: number, base: number, prefixLength: number, name: ByteString, value: Uint8Array): Pair {
    const key = `${name}\0${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')}`;
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      const hashed = name.slice(xattrPrefixes[base]!.length);
      const bit = xxh32(hashed, filterSeed + base) % 32;
      pair = { fullName: name, prefix, name: name.slice(prefixLength), value, bit, uses: 0, id: -1 };
      this.#pairs.set(key, pair);
    }
    return pair;
  }

  /** Decides what of an inode's pairs is shared: what others have too, then the largest, until the rest has room. */
  #divide(list: readonly Pair[], node: Node<unknown>): PairSet {
    const shared = new Set<Pair>();
    const bySize = list.toSorted((a, b) => units(b) - units(a));
    let total = 0;
    for (const pair of list) total += units(pair);
    const share = (pair: Pair): void => {
      if (shared.size === maxShared || shared.has(pair)) return;
      shared.add(pair);
      total -= units(pair) - 1;
    };
    for (const pair of bySize) if (pair.uses > 1) share(pair);
    for (const pair of bySize) if (total > maxUnits) share(pair);
    const dropped = new Set<Pair>();
    for (const pair of bySize) {
      if (total <= maxUnits || shared.has(pair)) continue;
      dropped.add(pair);
      total -= units(pair);
      this.#drop(node, pair.fullName, `${list.length} xattrs are more than an inode has room for`);
    }
    for (const pair of list) {
      if (!shared.has(pair) || pair.id >= 0) continue;
      pair.id = 0;
      this.#shared.push(pair);
    }
    let filter = 0xffffffff;
    for (const { bit } of list) filter = (filter & ~(1 << bit)) >>> 0;
    return {
      inline: list.filter(pair => !shared.has(pair) && !dropped.has(pair)),
      shared: list.filter(pair => shared.has(pair)),
      units: total,
      filter,
    };
  }
}

/** Warns as a writer of these inodes would: for whoever has their image already. */
export function warnOfXattrs(nodes: readonly Node<unknown>[], warnings: Warnings): void {
  new XattrWriter(nodes, [], warnings);
}

/** The ACLs' prefixes are names; the others want something behind them. */
function isWhole(index: number): boolean {
  return index < longPrefix && !xattrPrefixes[index]!.endsWith('.');
}

function units({ name, value }: Pair): number {
  return Math.ceil((xattrEntry.size + name.length + value.length) / xattrUnit);
}

function writePair(output: MetadataOutput, { prefix, name, value }: Pair): void {
  const at = output.take(xattrEntry.size);
  const { nameSize, prefix: prefixAt, valueSize } = xattrEntry.offsets;
  output.bytes[at + nameSize] = name.length;
  output.bytes[at + prefixAt] = prefix;
  output.view.setUint16(at + valueSize, value.length, true);
  output.text(name);
  output.append(value);
  output.align(xattrUnit);
}
