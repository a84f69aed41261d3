import { bytesSource, openSquashfs, type SquashfsImage } from '../../src/squashfs/index.ts';
import type { Listing } from '../model/listing.ts';
import { listTree } from './sample.ts';

/** What our reader finds in an image. */
export function listImage(bytes: Uint8Array): Listing {
  using image = openSquashfs(bytesSource(bytes));
  return listTree(image.tree(), inode => readAll(image, inode));
}

export function readAll(image: SquashfsImage, inode: Parameters<SquashfsImage['read']>[0]): Buffer {
  return Buffer.concat([...image.read(inode)]);
}
