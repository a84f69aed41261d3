import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { type BlobLocation, type Extent, Extents } from '../content/index.ts';
import {
  type FileLock,
  findBoot,
  startWriteback,
  syncFile,
  syncParent,
  waitForLock,
  writeAll,
} from '../host/index.ts';
import type { Digest } from '../oci/index.ts';
import { findBlob } from './blob.ts';
import { StoreError, wrapStore } from './error.ts';
import type { Reach } from './failpoint.ts';
import { formatIngestState, readIngestState, stateBytes } from './ingest-state.ts';
import { ensureDirectory, type Layout } from './layout.ts';

/** After so many bytes the state is written again: what a killed process loses at most. */
const stateStep = 1024 * 1024;
/** After so many bytes the disk is asked to start, so that the last sync has little left to do. */
const writebackStep = 8 * 1024 * 1024;

/**
 * A blob on its way into the cache, held by this process alone. Disposing it keeps what has arrived, for the next one who
 * wants the blob, in this boot of the machine.
 */
export interface Ingest extends Disposable {
  readonly digest: Digest;
  readonly size: number;
  /** The file that is written to, open for reading by whoever likes; and where it will be after `commit`. */
  readonly path: string;
  readonly target: string;
  /** What was there when the ingest began: bytes that an earlier process left, unverified, sorted and disjoint. */
  readonly extents: readonly Extent[];
  /** Bytes that are there by now. */
  readonly received: number;
  /** Any order, any overlap. A full disk: StoreError `exhausted`; what arrived before is kept. */
  writeAt(chunk: Uint8Array, position: number): void;
  /** Makes it a blob, durably. The caller has verified all of it; `internal` if something was never written. */
  commit(): Promise<BlobLocation>;
  /** The bytes were wrong: nothing of them is kept. */
  discard(): void;
}

export interface WantedBlob {
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Begins to bring a blob in. Waits while somebody else does, here or in another process; the location, if the blob is
 * there already or by then.
 */
export async function beginIngest(
  layout: Layout,
  { digest, size }: WantedBlob,
  options: { readonly signal?: AbortSignal | undefined; readonly reach: Reach },
): Promise<Ingest | BlobLocation> {
  const there = () => findBlob(layout, digest, size);
  const files = layout.ingest(digest);
  let waited: FileLock | BlobLocation;
  try {
    waited = there() ?? (await waitForLock(files.lock, { signal: options.signal, until: there }));
  } catch (error) {
    throw wrapStore(error, `cannot begin to store ${digest}`, layout.root);
  }
  if ('size' in waited) return waited;
  try {
    const found = there();
    if (found === undefined) return new OpenIngest(layout, { digest, size }, waited, options.reach);
    waited.remove();
    return found;
  } catch (error) {
    waited.remove();
    throw wrapStore(error, `cannot begin to store ${digest}`, layout.root);
  }
}

class OpenIngest implements Ingest {
  readonly digest: Digest;
  readonly size: number;
  readonly path: string;
  readonly target: string;
  readonly extents: readonly Extent[];
  readonly #layout: Layout;
  readonly #statePath: string;
  readonly #lock: FileLock;
  readonly #reach: Reach;
  readonly #file: number;
  readonly #state: number;
  readonly #present: Extents;
  #sinceState = 0;
  #sinceWriteback = 0;
  #open = true;

  constructor(layout: Layout, { digest, size }: WantedBlob, lock: FileLock, reach: Reach) {
    const { part, state } = layout.ingest(digest);
    this.#layout = layout;
    this.digest = digest;
    this.size = size;
    this.path = part;
    this.target = layout.blob(digest);
    this.#statePath = state;
    this.#lock = lock;
    this.#reach = reach;
    this.#file = openForUpdate(part);
    try {
      this.#state = openForUpdate(state);
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
    try {
      this.#present = this.#resume();
      this.extents = this.#present.list();
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  get received(): number {
    return this.#present.total;
  }

  writeAt(chunk: Uint8Array, position: number): void {
    this.#checkOpen();
    const end = position + chunk.length;
    if (end > this.size) {
      throw new StoreError(
        'internal',
        `${this.digest} is written up to ${end}, beyond its ${this.size} bytes`,
      );
    }
    try {
      writeAll(this.#file, chunk, position);
      this.#present.add(position, end);
      this.#sinceState += chunk.length;
      if (this.#sinceState >= stateStep) this.#saveState();
    } catch (error) {
      throw wrapStore(error, `cannot store ${this.digest}`, this.#layout.root);
    }
    this.#sinceWriteback += chunk.length;
    if (this.#sinceWriteback < writebackStep) return;
    // The whole file: what is clean costs nothing, and parallel ranges grow in several places at once.
    startWriteback(this.#file, 0, this.size);
    this.#sinceWriteback = 0;
  }

  async commit(): Promise<BlobLocation> {
    this.#checkOpen();
    if (this.#present.total !== this.size || fstatSync(this.#file).size !== this.size) {
      const message = `${this.digest} is incomplete: ${this.#present.total} of ${this.size} bytes are there`;
      throw new StoreError('internal', message);
    }
    this.#reach('ingest-written');
    try {
      await this.#sync();
      this.#checkOpen();
      this.#reach('ingest-synced');
      ensureDirectory(dirname(this.target));
      renameSync(this.path, this.target);
      this.#reach('ingest-renamed');
      await syncParent(this.target);
    } catch (error) {
      throw wrapStore(error, `cannot store ${this.digest}`, this.#layout.root);
    }
    this.#end(false);
    return { path: this.target, offset: 0, size: this.size };
  }

  discard(): void {
    if (this.#open) this.#end(false);
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    try {
      this.#saveState();
    } catch {
      // Then the next one begins where the state was saved last.
    }
    this.#end(this.#present.count > 0);
  }

  /** What of the file can be taken over. What cannot is cut away, so that no old byte is ever taken for a new one. */
  #resume(): Extents {
    const { size: available } = fstatSync(this.#file);
    const bytes = Buffer.alloc(stateBytes);
    const length = readSync(this.#state, bytes, 0, stateBytes, 0);
    const extents = readIngestState(bytes.subarray(0, length), this.size, findBoot(), available);
    if (extents.count === 0 || available > this.size) {
      ftruncateSync(this.#file, 0);
      writeAll(this.#state, Buffer.alloc(stateBytes), 0);
      return new Extents();
    }
    return extents;
  }

  #saveState(): void {
    const state = { size: this.size, boot: findBoot() ?? '', extents: this.#present };
    writeAll(this.#state, formatIngestState(state), 0);
    this.#sinceState = 0;
  }

  /** After a failed sync nobody knows what the disk has, and a second one would say nothing of the first. */
  async #sync(): Promise<void> {
    try {
      await syncFile(this.#file);
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  #checkOpen(): void {
    if (!this.#open) throw new StoreError('internal', `${this.digest} is written to after its end`);
  }

  #end(keep: boolean): void {
    this.#open = false;
    this.#close();
    try {
      if (!keep) {
        // The state first: without it nothing counts.
        rmSync(this.#statePath, { force: true });
        rmSync(this.path, { force: true });
      }
    } finally {
      this.#lock.remove();
    }
  }

  #close(): void {
    closeSync(this.#file);
    closeSync(this.#state);
  }
}

function openForUpdate(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0), 0o600);
}
