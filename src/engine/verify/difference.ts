import { type ByteString, printable } from '../../tree/index.ts';

/**
 * What can be wrong with an entry of an artifact. `links`: it is not one file with the names that it should have. From `digest` on:
 * with a file of a stack, or (`image`) with what the stack says that it is a stack of.
 */
export type DifferenceKind =
  | 'missing'
  | 'extra'
  | 'type'
  | 'mode'
  | 'owner'
  | 'mtime'
  | 'xattrs'
  | 'target'
  | 'device'
  | 'size'
  | 'content'
  | 'links'
  | 'digest'
  | 'root-hash'
  | 'fs-verity'
  | 'hash-tree'
  | 'image'
  | 'unreadable';

/** Where in a stack: among its files, in the merged image, or in what the kernel shows of the overlay. */
export type StackPart = 'files' | 'merged' | 'overlay';

export interface Difference {
  /** Of a stack. */
  readonly part?: StackPart;
  /** Printable, from the root: `/usr/bin/env`. Of the files of a stack, from its directory: `layers/HEX.erofs`. */
  readonly path: string;
  readonly what: DifferenceKind;
  /** What the image has, and what the artifact has, as people read it; undefined where nothing is. */
  readonly expected: string | undefined;
  readonly actual: string | undefined;
}

/** So many are kept whole; an artifact of another image has hundreds of thousands. */
const mostKept = 1000;

/** Counts all differences and keeps the first. */
export class Differences {
  readonly kept: Difference[] = [];
  count = 0;
  readonly #part: StackPart | undefined;

  constructor(part?: StackPart) {
    this.#part = part;
  }

  /** The texts are made only if they are kept. */
  add(
    path: ByteString,
    what: DifferenceKind,
    describe: () => readonly [expected: string | undefined, actual: string | undefined],
  ): void {
    this.count += 1;
    if (this.kept.length === mostKept) return;
    const [expected, actual] = describe();
    const place = this.#part === 'files' ? printable(path) : `/${printable(path)}`;
    this.kept.push({ ...(this.#part && { part: this.#part }), path: place, what, expected, actual });
  }
}

export function summariseDifferences(all: readonly Differences[]): {
  readonly differences: readonly Difference[];
  readonly differenceCount: number;
} {
  return {
    differences: all.flatMap(({ kept }) => kept),
    differenceCount: all.reduce((sum, { count }) => sum + count, 0),
  };
}
