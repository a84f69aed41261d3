import { writeAll } from '../host/index.ts';
import { VerityError } from './error.ts';
import { computeGeometry } from './geometry.ts';
import { blockSize, maxSaltSize } from './layout.ts';
import type { UpperLevels } from './levels.ts';
import { makeUuid, writeSuperblock } from './superblock.ts';

/** A hash tree that was made, or found to be right. It is of sha256, hash type 1, blocks of 4096 bytes. */
export interface VerityTree {
  /** Of the file that the tree is in: its superblock, and behind that its hash blocks. */
  readonly path: string;
  /** Vouches for every bit of the data; 64 hex digits. */
  readonly rootHash: string;
  /** Hex, two digits a byte; empty if there is none. */
  readonly salt: string;
  /** How many blocks of 4096 bytes the data has. */
  readonly dataBlocks: number;
  /** Where the superblock is in the file, in bytes: 0, or the size of the data in front of an appended tree. */
  readonly hashOffset: number;
}

/** A tree whose lowest level is written already. */
export interface TreeDraft {
  /** Of the file that the tree is in. */
  readonly path: string;
  readonly fd: number;
  readonly hashOffset: number;
  readonly dataBlocks: number;
  readonly salt: Uint8Array;
}

/** Writes all of a tree but its lowest level; the superblock comes last, so that a tree that is cut has none. */
export function finishTree(draft: TreeDraft, { rootHash, blocks }: UpperLevels): VerityTree {
  const { path, fd, hashOffset, dataBlocks, salt } = draft;
  writeAll(fd, blocks, hashOffset + blockSize);
  const uuid = makeUuid(rootHash, salt, dataBlocks);
  writeAll(fd, writeSuperblock({ uuid, salt, dataBlocks }), hashOffset);
  return {
    path,
    rootHash: rootHash.toString('hex'),
    salt: Buffer.from(salt).toString('hex'),
    dataBlocks,
    hashOffset,
  };
}

/** Where the lowest level goes, in bytes; `undefined` if there is none. */
export function lowestPosition(dataBlocks: number, hashOffset: number): number | undefined {
  return computeGeometry(dataBlocks, hashOffset).levels[0]?.position;
}

/** VerityError `invalid` for one that is too long. */
export function checkSalt({ length }: Uint8Array): void {
  if (length <= maxSaltSize) return;
  throw new VerityError('invalid', `a salt of ${length} bytes: ${maxSaltSize} are the most`, {
    detail: { size: length, most: maxSaltSize },
  });
}

/** VerityError `invalid` for what is no root hash of sha256; its hex digits may be of either case. */
export function parseRootHash(text: string): string {
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  throw new VerityError('invalid', `${JSON.stringify(text)} is no root hash: 64 hex digits`, {
    detail: { rootHash: text },
  });
}
