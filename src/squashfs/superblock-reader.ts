import type { ImageSource } from '../bytes/image-source.ts';
import { type CompressorName, findCompressor } from './compressor.ts';
import { SquashfsError } from './error.ts';
import { maxBlockSize, minBlockSize, type Superblock, squashfsMagic, superblock } from './layout.ts';
import { corrupt } from './metadata-reader.ts';

/** Reads and checks the superblock. SquashfsError `invalid` when it is no squashfs at all. */
export function readSuperblock(
  source: ImageSource,
): Superblock & { readonly compressorName: CompressorName } {
  const bytes = new Uint8Array(Math.min(source.size, superblock.size));
  source.readAt(0, bytes);
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  if (magic === 'sqsh') {
    throw new SquashfsError('unsupported', 'a big-endian squashfs image, older than version 4', {
      hint: 'make it anew with a squashfs-tools of this century',
    });
  }
  if (magic !== 'hsqs') {
    throw new SquashfsError('invalid', 'not a squashfs image: it does not begin with "hsqs"', {
      detail: { expected: squashfsMagic },
    });
  }
  if (bytes.length < superblock.size) {
    throw corrupt('superblock', 0, `the image is cut after ${bytes.length} bytes`);
  }
  let fields: Superblock;
  try {
    fields = superblock.read(bytes, 0);
  } catch (error) {
    throw corrupt('superblock', 0, error instanceof Error ? error.message : String(error));
  }
  const { versionMajor, versionMinor, blockSize, bytesUsed } = fields;
  if (versionMajor !== 4 || versionMinor !== 0) {
    throw new SquashfsError(
      'unsupported',
      `squashfs version ${versionMajor}.${versionMinor}, only 4.0 is read`,
      {
        detail: { versionMajor, versionMinor },
      },
    );
  }
  const compressorName = findCompressor(fields.compressor);
  if (compressorName === undefined) {
    throw new SquashfsError('unsupported', `squashfs compressor number ${fields.compressor}`, {
      detail: { compressor: fields.compressor },
    });
  }
  const check = (isRight: boolean, field: keyof Superblock, what: string): void => {
    if (!isRight) throw corrupt('superblock', superblock.offsets[field], what);
  };
  const isBlockSize = blockSize >= minBlockSize && blockSize <= maxBlockSize;
  check(isBlockSize && Number.isInteger(Math.log2(blockSize)), 'blockSize', `blocks of ${blockSize} bytes`);
  check(2 ** fields.blockLog === blockSize, 'blockLog', `2^${fields.blockLog} is not ${blockSize}`);
  check(
    bytesUsed <= source.size,
    'bytesUsed',
    `the image has ${bytesUsed} bytes, the file ${source.size}: it is cut`,
  );
  check(fields.inodeTable >= superblock.size, 'inodeTable', 'the inode table lies in the superblock');
  check(
    fields.directoryTable > fields.inodeTable,
    'directoryTable',
    'the directory table is before the inodes',
  );
  for (const field of ['directoryTable', 'fragmentTable', 'exportTable', 'idTable', 'xattrTable'] as const) {
    const position = fields[field];
    if (position === undefined) continue;
    check(position <= bytesUsed, field, `${field} lies behind the image's end at ${bytesUsed}`);
    check(position >= fields.directoryTable, field, `${field} lies before the directory table`);
  }
  check(fields.idCount > 0, 'idCount', 'there are no user and group ids');
  check(fields.inodeCount > 0, 'inodeCount', 'there are no inodes');
  check(
    fields.fragmentCount === 0 || fields.fragmentTable !== undefined,
    'fragmentTable',
    'fragments without a table',
  );
  return { ...fields, compressorName };
}
