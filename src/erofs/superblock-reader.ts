import type { ImageSource } from '../bytes/image-source.ts';
import { checksumLength, superblockChecksum } from './checksum.ts';
import { ErofsError } from './error.ts';
import {
  compatible,
  deviceSlot,
  deviceSlotSize,
  erofsMagic,
  incompatible,
  type Superblock,
  superblock,
  superblockOffset,
} from './layout.ts';
import { corrupt, MetadataReader } from './metadata-reader.ts';

/** A device beside the image itself. */
export interface DeviceSlot {
  /** What the writer says to find it by: the digest of its contents, or nothing. */
  readonly tag: string;
  readonly bytes: number;
  /** Where the device stands among all devices laid one behind the other; 0 when it does not. */
  readonly mappedStart: number;
}

/** The superblock, with what follows from it. */
export interface StoredSuperblock extends Superblock {
  /** In bytes. */
  readonly blockSize: number;
  /** From device 1 on. */
  readonly devices: readonly DeviceSlot[];
}

/** Block sizes as powers of two: 512 bytes to 64 KiB. */
const leastBlockBits = 9;
const mostBlockBits = 16;

/** Names of incompatible features that are not read, for messages. */
const unreadFeatures: Readonly<Record<number, string>> = {
  128: '48-bit addresses',
  256: 'metabox (compressed metadata)',
};
const readFeatures = Object.values(incompatible).reduce((sum, bit) => sum + bit, 0);

/** Reads and checks the superblock and the device table. ErofsError `invalid` when it is no EROFS at all. */
export function readSuperblock(source: ImageSource): StoredSuperblock {
  const bytes = new Uint8Array(Math.max(0, Math.min(source.size - superblockOffset, superblock.size)));
  if (bytes.length > 0) source.readAt(superblockOffset, bytes);
  if (bytes.length < 4 || Buffer.from(bytes.buffer).readUInt32LE(0) !== erofsMagic) {
    throw new ErofsError('invalid', 'not an EROFS image: it has not its magic number at byte 1024', {
      detail: { expected: erofsMagic },
    });
  }
  if (bytes.length < superblock.size) throw bad('magic', `the image is cut after ${source.size} bytes`);
  let fields: Superblock;
  try {
    fields = superblock.read(bytes, 0);
  } catch (error) {
    throw corrupt('superblock', superblockOffset, error instanceof Error ? error.message : String(error));
  }
  checkFeatures(fields.incompatible);
  const { blockBits, blockCount } = fields;
  if (blockBits < leastBlockBits || blockBits > mostBlockBits) {
    throw bad('blockBits', `blocks of 2^${blockBits} bytes`);
  }
  const blockSize = 2 ** blockBits;
  if (blockCount * blockSize > source.size) {
    const needed = blockCount * blockSize;
    throw bad('blockCount', `the image has ${needed} bytes, the file ${source.size}: it is cut`);
  }
  checkSum(source, fields, blockSize);
  if (fields.buildNanoseconds > 999_999_999) throw bad('buildNanoseconds', 'the time is none');
  if (fields.directoryBlockBits !== 0) {
    throw new ErofsError('unsupported', 'an EROFS image whose directory blocks are larger than its blocks', {
      detail: { directoryBlockBits: fields.directoryBlockBits },
    });
  }
  return { ...fields, blockSize, devices: readDevices(source, fields, blockSize) };
}

function bad(field: keyof Superblock, what: string): ErofsError {
  return corrupt('superblock', superblockOffset + superblock.offsets[field], what);
}

function checkFeatures(bits: number): void {
  const unknown: string[] = [];
  for (let bit = 1; bit <= bits; bit *= 2) {
    if (Math.floor(bits / bit) % 2 === 0 || Math.floor(readFeatures / bit) % 2 === 1) continue;
    const name = unreadFeatures[bit];
    unknown.push(`0x${bit.toString(16)}${name === undefined ? '' : ` (${name})`}`);
  }
  if (unknown.length === 0) return;
  throw new ErofsError(
    'unsupported',
    `an EROFS image with features that are not read: ${unknown.join(', ')}`,
    {
      detail: { incompatible: bits, unknown },
      hint: 'make it anew without them',
    },
  );
}

function checkSum(source: ImageSource, fields: Superblock, blockSize: number): void {
  if (fields.compatible % (2 * compatible.checksum) < compatible.checksum) return;
  const length = checksumLength(blockSize);
  if (superblockOffset + length > source.size)
    throw bad('blockBits', 'the image ends within its first block');
  const block = new Uint8Array(length);
  source.readAt(superblockOffset, block);
  const sum = superblockChecksum(block);
  if (sum === fields.checksum) return;
  const hex = (value: number) => `0x${value.toString(16).padStart(8, '0')}`;
  throw bad('checksum', `the checksum is ${hex(sum)}, not ${hex(fields.checksum)} as the superblock says`);
}

function readDevices(source: ImageSource, fields: Superblock, blockSize: number): DeviceSlot[] {
  const hasTable = Math.floor(fields.incompatible / incompatible.deviceTable) % 2 === 1;
  if (!hasTable || fields.extraDevices === 0) return [];
  const start = fields.deviceSlot * deviceSlotSize;
  const metadata = new MetadataReader(source);
  const devices: DeviceSlot[] = [];
  for (let index = 0; index < fields.extraDevices; index++) {
    const slot = metadata.read('device table', start + index * deviceSlotSize, deviceSlot);
    const tag = Buffer.from(slot.tag).toString('latin1').replace(/\0.*$/s, '');
    const [bytes, mappedStart] = [slot.blockCount * blockSize, slot.mappedBlock * blockSize];
    devices.push({ tag, bytes, mappedStart });
  }
  return devices;
}
