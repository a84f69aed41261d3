import type { ByteString, Timestamp } from '../tree/index.ts';
import { checksumLength, superblockChecksum } from './checksum.ts';
import type { ErofsAlgorithm } from './data.ts';
import { ErofsError } from './error.ts';
import {
  algorithmNumber,
  deflateConfig,
  deviceSlot,
  deviceSlotSize,
  erofsMagic,
  lz4Config,
  maxClusterBytes,
  superblock,
  superblockOffset,
  xattrPrefixes,
  xattrUnit,
  zstdConfig,
} from './layout.ts';
import type { LongPrefix } from './xattr-writer.ts';

/** An extra device, told by its place in the list, from 1. */
export interface ErofsDevice {
  /** Up to 64 characters of ASCII, one at least: what the device is, a digest perhaps. */
  readonly tag: string;
  /** Its size. */
  readonly bytes: number;
}

export interface HeadOptions {
  readonly blockSize: 512 | 1024 | 2048 | 4096;
  /** Extra devices 1 to n; none when absent. */
  readonly devices?: readonly ErofsDevice[] | undefined;
  /** Those that compressed data may use; none when absent. */
  readonly algorithms?: readonly ErofsAlgorithm[] | undefined;
  /** Beginnings of xattrs' names to store once, such as `trusted.overlay.`; Linux before 6.4 refuses such an image. */
  readonly xattrPrefixes?: readonly ByteString[] | undefined;
}

/** What is only known when all else was written. */
export interface HeadFields {
  readonly inodeCount: number;
  readonly rootNid: number;
  readonly time: Timestamp;
  readonly blockCount: number;
  readonly metadataBlock: number;
  readonly xattrBlock: number;
  readonly volumeName: string;
  readonly compatible: number;
  readonly incompatible: number;
  /** Those in use, with the largest extent of each in bytes. */
  readonly extents: ReadonlyMap<ErofsAlgorithm, number>;
}

const maxDevices = 0xffff;
const maxPrefixes = 0x80;
/** Each configuration and each prefix begins with the u16 length of the rest. */
const lengthSize = 2;
const algorithms = ['lz4', 'deflate', 'zstd'] as const;
const configs = { lz4: lz4Config, deflate: deflateConfig, zstd: zstdConfig };

/**
 * Bytes before the data, whole blocks: boot sector, superblock, compression configurations, device table, prefixes of xattrs.
 * The caller leaves them free and puts there, in the end, the head that `writeErofs` returns.
 */
export function headSize(options: HeadOptions): number {
  return Math.ceil(prefixesEnd(options) / options.blockSize) * options.blockSize;
}

/** Splits the prefixes that names may have; throws ErofsError `invalid` for one that is none. */
export function longPrefixes(options: HeadOptions): LongPrefix[] {
  const { xattrPrefixes: names = [] } = options;
  return names.map(name => {
    const base = Object.entries(xattrPrefixes).find(
      ([, prefix]) => prefix.endsWith('.') && name.startsWith(prefix) && name !== prefix,
    );
    if (base === undefined || name.length > 255 || names.length > maxPrefixes) {
      throw new ErofsError('invalid', `${JSON.stringify(name)} cannot be a prefix of xattrs' names`, {
        hint: `a prefix continues user., trusted. or security.; there are at most ${maxPrefixes}`,
      });
    }
    return { base: Number(base[0]), rest: name.slice(base[1].length) };
  });
}

/** Everything but the UUID and the checksum, which `seal` adds. */
export function writeHead(options: HeadOptions, fields: HeadFields): Uint8Array {
  const { blockSize, devices = [] } = options;
  const head = new Uint8Array(headSize(options));
  const prefixes = longPrefixes(options);
  superblock.write(head, superblockOffset, {
    magic: erofsMagic,
    checksum: 0,
    compatible: fields.compatible,
    blockBits: Math.log2(blockSize),
    extensionSlots: 0,
    rootNid: fields.rootNid,
    inodeCount: fields.inodeCount,
    buildSeconds: fields.time.seconds,
    buildNanoseconds: fields.time.nanoseconds,
    blockCount: fields.blockCount,
    metadataBlock: fields.metadataBlock,
    xattrBlock: fields.xattrBlock,
    uuid: new Uint8Array(16),
    volumeName: padded(fields.volumeName, 16),
    incompatible: fields.incompatible,
    algorithms: writeConfigs(head, fields.extents, blockSize),
    extraDevices: devices.length,
    deviceSlot: devices.length === 0 ? 0 : deviceTable(options) / deviceSlotSize,
    directoryBlockBits: 0,
    xattrPrefixCount: prefixes.length,
    xattrPrefixStart: prefixes.length === 0 ? 0 : devicesEnd(options) / xattrUnit,
    packedNid: 0,
    xattrFilterReserved: 0,
    reserved: new Uint8Array(23),
  });
  let at = deviceTable(options);
  for (const { tag, bytes } of devices) {
    const blockCount = Math.ceil(bytes / blockSize);
    deviceSlot.write(head, at, {
      tag: padded(tag, 64),
      blockCount,
      mappedBlock: 0,
      reserved: new Uint8Array(56),
    });
    at += deviceSlotSize;
  }
  at = devicesEnd(options);
  for (const { base, rest } of prefixes) {
    head[at] = 1 + rest.length;
    head[at + 1] = Math.floor((1 + rest.length) / 0x100);
    head[at + lengthSize] = base;
    head.set(Buffer.from(rest, 'latin1'), at + lengthSize + 1);
    at = prefixEnd(at, rest.length);
  }
  return head;
}

/** Enters the UUID, and, where `hasChecksum` says so, the checksum of the superblock's block. */
export function seal(head: Uint8Array, uuid: Uint8Array, blockSize: number): void {
  const { uuid: uuidAt, checksum } = superblock.offsets;
  head.set(uuid, superblockOffset + uuidAt);
  if (!hasChecksum(blockSize)) return;
  const block = head.subarray(superblockOffset, superblockOffset + checksumLength(blockSize));
  const sum = superblockChecksum(block);
  new DataView(head.buffer, head.byteOffset).setUint32(superblockOffset + checksum, sum, true);
}

/** With smaller blocks erofs-utils leave the checksum out, and crash where there is one. */
export function hasChecksum(blockSize: number): boolean {
  return blockSize > superblockOffset;
}

/** Returns the bits of the algorithms. Room is kept for all that were announced; only those in use are written. */
function writeConfigs(
  head: Uint8Array,
  extents: ReadonlyMap<ErofsAlgorithm, number>,
  blockSize: number,
): number {
  const view = new DataView(head.buffer, head.byteOffset);
  let at = superblockOffset + superblock.size;
  let bits = 0;
  for (const algorithm of algorithms) {
    const extentBytes = extents.get(algorithm);
    if (extentBytes === undefined) continue;
    bits += 2 ** algorithmNumber[algorithm];
    view.setUint16(at, configs[algorithm].size, true);
    const body = at + lengthSize;
    if (algorithm === 'lz4') {
      const maxClusterBlocks = Math.min(extentBytes, maxClusterBytes) / blockSize;
      lz4Config.write(head, body, { maxDistance: 0xffff, maxClusterBlocks, reserved: new Uint8Array(10) });
    } else if (algorithm === 'deflate') {
      deflateConfig.write(head, body, { windowBits: 15, reserved: new Uint8Array(5) });
    } else {
      const windowLog = Math.max(Math.ceil(Math.log2(extentBytes)), 10) - 10;
      zstdConfig.write(head, body, { format: 0, windowLog, reserved: new Uint8Array(4) });
    }
    at = body + configs[algorithm].size;
  }
  return bits;
}

function configsEnd({ algorithms: announced = [] }: HeadOptions): number {
  let end = superblockOffset + superblock.size;
  for (const algorithm of new Set(announced)) end += lengthSize + configs[algorithm].size;
  return end;
}

function deviceTable(options: HeadOptions): number {
  return Math.ceil(configsEnd(options) / deviceSlotSize) * deviceSlotSize;
}

function devicesEnd(options: HeadOptions): number {
  const { devices = [] } = options;
  if (devices.length > maxDevices) {
    throw new ErofsError('unsupported', `${devices.length} extra devices, ${maxDevices} at most`, {
      detail: { devices: devices.length },
      hint: 'join layers before they are merged',
    });
  }
  return deviceTable(options) + devices.length * deviceSlotSize;
}

function prefixesEnd(options: HeadOptions): number {
  let end = devicesEnd(options);
  for (const { rest } of longPrefixes(options)) end = prefixEnd(end, rest.length);
  return end;
}

function prefixEnd(start: number, restLength: number): number {
  return Math.ceil((start + lengthSize + 1 + restLength) / xattrUnit) * xattrUnit;
}

function padded(text: string, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(Buffer.from(text, 'latin1'));
  return bytes;
}
