import { SquashfsError } from './error.ts';
import { idEntry, maxIds } from './layout.ts';
import type { MetadataWriter } from './metadata-writer.ts';

/** Collects the user and group ids of all inodes: inodes name them by their place in one shared table. */
export class IdWriter {
  readonly #indexes = new Map<number, number>();

  /**
   * The id's place. An inode could name 65 536 of them, but the superblock counts them in 16 bits, where 65 536 reads as
   * 0, and an image without ids is not mounted: 65 535 is the true limit, beyond it SquashfsError `unsupported`.
   */
  index(id: number): number {
    const known = this.#indexes.get(id);
    if (known !== undefined) return known;
    const index = this.#indexes.size;
    if (index === maxIds) {
      throw new SquashfsError('unsupported', `more than ${maxIds} different user and group ids`, {
        detail: { limit: maxIds },
        hint: 'squashfs cannot hold so many owners; choose another format',
      });
    }
    this.#indexes.set(id, index);
    return index;
  }

  get count(): number {
    return this.#indexes.size;
  }

  write(table: MetadataWriter): void {
    for (const id of this.#indexes.keys()) table.put(idEntry, { id });
  }
}
