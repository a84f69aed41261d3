import { type ByteString, printable } from '../../tree/index.ts';

/** What can be wrong with an entry of an artifact. `links`: it is not one file with the names that it should have. */
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
  | 'links';

export interface Difference {
  /** Printable, from the root: `/usr/bin/env`. */
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

  /** The texts are made only if they are kept. */
  add(
    path: ByteString,
    what: DifferenceKind,
    describe: () => readonly [expected: string | undefined, actual: string | undefined],
  ): void {
    this.count += 1;
    if (this.kept.length === mostKept) return;
    const [expected, actual] = describe();
    this.kept.push({ path: `/${printable(path)}`, what, expected, actual });
  }
}
