import type { Content } from '../../merge/index.ts';
import type { TarData } from '../../tar/index.ts';
import type { FileInode, Tree } from '../../tree/index.ts';
import type { Measured } from '../../verity/index.ts';

/** Under which number a file's content was given to the sinks; empty files have none. */
export type NumberOf = (file: FileInode<Content>) => number;

/**
 * One output of a render. File contents come first, newest layer first, before anyone knows the tree; then the tree,
 * once. Contents lie in slab memory, which all sinks of a render read; a sink that needs them longer than the call
 * retains their slab. Files come one at a time: `begin`, `data` and `hole` until the size is reached, `end`; empty files
 * do not come at all.
 */
export interface Sink extends AsyncDisposable {
  readonly format: Output['format'];
  /** `segments`: the map of a sparse file. What it leaves out comes as `hole`. */
  begin(id: number, size: number, segments?: TarData['segments']): void;
  /** The next bytes, as a position in slab memory. */
  data(offset: number, length: number): void;
  /** The next bytes are zeros. */
  hole(length: number): void;
  end(): void;
  /** Resolves when the sink can take another slab's worth. */
  ready(): Promise<void>;
  /** Forgets all contents: they will come again, in another selection, with ids from 0. */
  restart(): Promise<void>;
  /** All contents are there: completes the output, still invisible. */
  finish(tree: Tree<Content>, numberOf: NumberOf): Promise<void>;
  /** Makes the output visible and durable, in one step. */
  commit(): Promise<Output>;
}

/** What a render made. */
export interface Output {
  readonly path: string;
  readonly format: 'squashfs' | 'erofs' | 'tar' | 'directory';
  /** Bytes of the artifact's file; of a directory, of its files' content. */
  readonly bytes: number;
  /** Hashes of the artifact's file, where they were computed while it was written. */
  readonly measured?: Measured | undefined;
}
