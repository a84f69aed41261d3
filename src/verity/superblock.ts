import { createHash } from 'node:crypto';
import type { Detail } from '../error/index.ts';
import { VerityError } from './error.ts';
import {
  algorithm,
  blockSize,
  hashType,
  maxDataBlocks,
  maxSaltSize,
  type Superblock,
  signature,
  superblock,
  superblockVersion,
} from './layout.ts';

/** What a superblock says of its tree; all else about ours is fixed. */
export interface VerityParameters {
  readonly uuid: Uint8Array;
  /** At most 256 bytes. */
  readonly salt: Uint8Array;
  /** At least one. */
  readonly dataBlocks: number;
}

/** The first block of a tree. */
export function writeSuperblock({ uuid, salt, dataBlocks }: VerityParameters): Buffer {
  const block = Buffer.alloc(blockSize);
  superblock.write(block, 0, {
    ...{ signature: padded(signature, 8), version: superblockVersion, hashType, uuid },
    ...{ algorithm: padded(algorithm, 32), dataBlockSize: blockSize, hashBlockSize: blockSize, dataBlocks },
    ...{ saltSize: salt.length, unused: Buffer.alloc(6), salt: padded(salt, maxSaltSize) },
    padding: Buffer.alloc(168),
  });
  return block;
}

/**
 * Reads the first block of a tree, whose every byte counts. VerityError `invalid` when it is none at all, `unsupported` for
 * other hashes and block sizes than ours, `corrupt` for what no writer writes. `position`: where the block is in its file, in bytes.
 */
export function readSuperblock(block: Uint8Array, position = 0): VerityParameters {
  const at = (field: keyof Superblock) => ({
    what: 'superblock',
    block: position / blockSize,
    offset: position + superblock.offsets[field],
    ...(field !== 'signature' && { field }),
  });
  const corrupt = (field: keyof Superblock, why: string) =>
    new VerityError('corrupt', `the superblock of the hash tree is damaged: ${why}`, { detail: at(field) });
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.length);
  if (bytes.toString('latin1', 0, signature.length) !== signature) {
    throw new VerityError('invalid', 'not a hash tree: it does not begin with "verity"', {
      detail: at('signature'),
    });
  }
  if (bytes.length < blockSize) {
    throw corrupt('padding', `it is cut after ${bytes.length} of ${blockSize} bytes`);
  }
  let fields: Superblock;
  try {
    fields = superblock.read(bytes, 0);
  } catch (error) {
    throw corrupt('dataBlocks', error instanceof Error ? error.message : String(error));
  }
  const support = (isRight: boolean, field: keyof Superblock, what: string): void => {
    if (!isRight) throw unsupported(what, at(field));
  };
  const check = (isRight: boolean, field: keyof Superblock, what: string): void => {
    if (!isRight) throw corrupt(field, what);
  };
  const { version, dataBlocks, saltSize } = fields;
  const name = Buffer.from(fields.algorithm).toString('latin1').replace(/\0+$/, '');
  support(version === superblockVersion, 'version', `superblocks of version ${version}`);
  support(fields.hashType === hashType, 'hashType', `hash type ${fields.hashType}`);
  support(name === algorithm, 'algorithm', `the hash ${JSON.stringify(name)}`);
  for (const field of ['dataBlockSize', 'hashBlockSize'] as const) {
    support(fields[field] === blockSize, field, `blocks of ${fields[field]} bytes`);
  }
  check(dataBlocks > 0 && dataBlocks <= maxDataBlocks, 'dataBlocks', `it is of ${dataBlocks} blocks`);
  check(saltSize <= maxSaltSize, 'saltSize', `a salt of ${saltSize} bytes`);
  check(isZero(fields.unused), 'unused', 'there is something between the fields');
  check(isZero(fields.salt.subarray(saltSize)), 'salt', 'there is something behind the salt');
  const rest = bytes.subarray(superblock.offsets.padding, blockSize);
  check(isZero(rest), 'padding', 'there is something behind the fields');
  return { uuid: fields.uuid, salt: fields.salt.slice(0, saltSize), dataBlocks };
}

/**
 * The UUID of a tree of ours: it follows from the tree, as version 8 of RFC 9562 allows, for the same data makes the same
 * bytes.
 */
export function makeUuid(rootHash: Uint8Array, salt: Uint8Array, dataBlocks: number): Uint8Array {
  const hash = createHash('sha256').update(`dm-verity tree of ${dataBlocks} blocks\0`);
  const uuid = hash.update(rootHash).update(salt).digest().subarray(0, 16);
  uuid[6] = (uuid[6]! % 0x10) + 0x80;
  uuid[8] = (uuid[8]! % 0x40) + 0x80;
  return uuid;
}

/** Whether a UUID can be that of the tree: ours is known, of another writer's every one of its versions will do. */
export function isUuidOf(uuid: Uint8Array, ours: Uint8Array): boolean {
  const version = Math.floor(uuid[6]! / 0x10);
  return (version >= 1 && version <= 7) || Buffer.compare(uuid, ours) === 0;
}

function padded(content: string | Uint8Array, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(typeof content === 'string' ? Buffer.from(content, 'latin1') : content);
  return bytes;
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every(byte => byte === 0);
}

function unsupported(what: string, detail: Detail): VerityError {
  return new VerityError('unsupported', `a hash tree with ${what}`, {
    detail,
    hint: `make it with veritysetup format --hash=${algorithm} --data-block-size=${blockSize} --hash-block-size=${blockSize}`,
  });
}
