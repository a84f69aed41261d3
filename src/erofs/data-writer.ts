import type { SlabPool } from '../bytes/pool/index.ts';
import type { FileData } from './data.ts';
import type { DataLog } from './data-log.ts';
import type { Segment } from './file-layout.ts';
import { PlainFile, planFile, type TailStore } from './plain-file.ts';

/**
 * The contents of an image, one file at a time: `begin`, then `data` and `hole` until its size is reached, then `end`. `await
 * ready()` between a slab's worth of input.
 */
export interface ContentWriter {
  /** `size` is in bytes, not 0. `segments`: the map of a sparse file. */
  begin(id: number, size: number, segments?: readonly Segment[]): void;
  /** The next bytes, in slab memory: retained for as long as they are needed. */
  data(offset: number, length: number): void;
  hole(length: number): void;
  end(): void;
  ready(): Promise<void>;
  /** Where each file lies, by its id. All is written. */
  finish(): Promise<readonly FileData[]>;
  /** Forgets all files, and has nothing on its way any more; the log and the tails are to be restarted next. */
  restart(): Promise<void>;
}

/**
 * Stores files as they are, in the order given: nothing is copied but short ends, nothing is compared. Equal files are stored
 * as often as they come; names of one file come once.
 */
export class DataWriter implements ContentWriter {
  readonly #log: DataLog;
  readonly #tails: TailStore;
  readonly #slabs: SlabPool;
  #files: FileData[] = [];
  #id = -1;
  #file!: PlainFile;

  constructor(log: DataLog, tails: TailStore, slabs: SlabPool) {
    this.#log = log;
    this.#tails = tails;
    this.#slabs = slabs;
  }

  begin(id: number, size: number, segments?: readonly Segment[]): void {
    const plan = planFile(size, segments, this.#log.blockBytes);
    this.#id = id;
    this.#file = new PlainFile(this.#log, this.#tails, this.#slabs, size, plan);
  }

  data(offset: number, length: number): void {
    this.#file.data(offset, length);
  }

  hole(length: number): void {
    this.#file.hole(length);
  }

  end(): void {
    this.#files[this.#id] = this.#file.end();
  }

  /** No slab is kept while others wait for one. */
  async ready(): Promise<void> {
    this.#log.flush();
  }

  async finish(): Promise<readonly FileData[]> {
    this.#log.flush();
    return this.#files;
  }

  async restart(): Promise<void> {
    this.#files = [];
  }
}
