import { VerityError } from './error.ts';
import { algorithm, blockSize, hashType, sectorSize } from './layout.ts';
import type { VerityTree } from './tree.ts';

/** A dm-verity target. */
export interface VerityTable {
  /** Its parameters, as the kernel's device mapper takes them (admin-guide/device-mapper/verity.rst). */
  readonly table: string;
  /** Its length, in sectors of 512 bytes. */
  readonly sectors: number;
}

/**
 * The target that shows the data of a tree, and fails where a block is not the one that was hashed. Devices are paths, or numbers such
 * as `254:0`; of an appended tree they are the same one.
 */
export function verityTable(
  tree: Pick<VerityTree, 'rootHash' | 'salt' | 'dataBlocks'> & Partial<Pick<VerityTree, 'hashOffset'>>,
  dataDevice: string,
  hashDevice: string,
): VerityTable {
  const { rootHash, salt, dataBlocks, hashOffset = 0 } = tree;
  for (const device of [dataDevice, hashDevice]) {
    if (!/^[!-~]+$/.test(device)) {
      throw new VerityError('invalid', `${JSON.stringify(device)} cannot be the device of a table`);
    }
  }
  // Where the hash blocks begin on their device, in blocks: behind the superblock.
  const hashStart = hashOffset / blockSize + 1;
  const table = [
    ...[hashType, dataDevice, hashDevice, blockSize, blockSize, dataBlocks, hashStart],
    ...[algorithm, rootHash, salt === '' ? '-' : salt],
  ].join(' ');
  return { table, sectors: dataBlocks * (blockSize / sectorSize) };
}
