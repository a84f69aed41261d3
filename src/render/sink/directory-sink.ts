import type { SlabPool } from '../../bytes/pool/index.ts';
import type { Content } from '../../merge/index.ts';
import { mapContent, type Tree } from '../../tree/index.ts';
import type { DirectoryTarget } from '../directory/index.ts';
import type { NumberOf, Output, Sink } from './sink.ts';

/** Feeds a DirectoryTarget, which stages files by number until the tree says where they belong. */
export class DirectorySink implements Sink {
  readonly format = 'directory';
  readonly #target: DirectoryTarget;
  readonly #path: string;
  readonly #memory: Uint8Array;
  /** Added to ids, so that those of a restart are new to the target; what it staged before is dropped by it. */
  #base = 0;
  #next = 0;
  #bytes = 0;

  constructor(target: DirectoryTarget, path: string, slabs: SlabPool) {
    this.#target = target;
    this.#path = path;
    this.#memory = slabs.bytes;
  }

  begin(id: number, size: number): void {
    this.#next = this.#base + id + 1;
    this.#target.beginFile(this.#base + id, size);
  }
  data(offset: number, length: number): void {
    this.#target.appendFile(this.#memory.subarray(offset, offset + length));
  }
  hole(length: number): void {
    this.#target.holeFile(length);
  }
  end(): void {
    this.#target.endFile();
  }
  async ready(): Promise<void> {}

  async restart(): Promise<void> {
    this.#base = this.#next;
  }

  async finish(tree: Tree<Content>, numberOf: NumberOf): Promise<void> {
    for (const { inode } of tree.nodes) if (inode.type === 'file') this.#bytes += inode.size;
    await this.#target.assemble(
      mapContent(tree, file => ({ id: file.size === 0 ? -1 : this.#base + numberOf(file) })),
    );
  }

  async commit(): Promise<Output> {
    await this.#target.commit();
    return { path: this.#path, format: this.format, bytes: this.#bytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#target[Symbol.asyncDispose]();
  }
}
