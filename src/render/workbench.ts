import { SlabPool } from '../bytes/pool/index.ts';
import { ShaleError } from '../error/index.ts';
import { parallelism } from '../host/index.ts';
import { BlockWriter } from '../squashfs/block-writer.ts';
import { IngestPool } from './ingest/ingest-pool.ts';

export interface WorkbenchOptions {
  /** Threads that compress, and at most as many that read layers. Default: the processors the process may use. */
  readonly jobs?: number | undefined;
  /** Bytes that the whole process should stay under, indexes not counted. Default: 256 MiB, more where there are many jobs. */
  readonly memory?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Threads of the caller's that hash what is written: they count for the memory. None if absent. */
  readonly followers?: number | undefined;
}

const mebibyte = 2 ** 20;
/** Measured resident sizes: of the process with its code and heap, and of one thread more with its codec's context. */
const processBytes = 80 * mebibyte;
const threadBytes = 16 * mebibyte;
const defaultMemory = 256 * mebibyte;
/** Each is a thread with a heap of its own; more only wait for each other. */
const mostJobs = 256;
/** More slabs than this only make the caches cold. */
const mostSlabsPerJob = 32;

/**
 * The threads and the memory of one piece of work, and its one way to fail: the first error of any thread, or the
 * caller's abort, rejects what `race` was given, and closing ends the threads.
 */
export class Workbench implements AsyncDisposable {
  readonly jobs: number;
  readonly slabs: SlabPool;
  readonly ingest: IngestPool;
  readonly #failed: Promise<never>;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  #fail!: (error: unknown) => void;
  #failure: { readonly error: unknown } | undefined;

  /** `outputs`: how many sinks compress; each has threads, and slabs that it holds, of its own. */
  constructor(options: WorkbenchOptions & { readonly layers: number; readonly outputs: number }) {
    this.jobs = options.jobs ?? Math.min(parallelism(), mostJobs);
    if (!Number.isInteger(this.jobs) || this.jobs < 1 || this.jobs > mostJobs) {
      throw new ShaleError('invalid', `--jobs ${this.jobs}: 1 to ${mostJobs} are possible`, {
        hint: 'one for each processor is the default, and seldom too few',
      });
    }
    const readers = Math.max(1, Math.min(this.jobs, options.layers));
    const reserve = options.outputs * (BlockWriter.reserve + 2 * this.jobs);
    // What a writer always holds (its fragments, and an open block across two slabs) is never free, so it comes on top.
    const held = options.outputs * (BlockWriter.reserve + 2);
    const least = reserve + held + 2 * readers + 2;
    this.slabs = new SlabPool(countSlabs(this.jobs, readers, least, options));
    this.#failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    // It may fail before or after anyone races against it.
    this.#failed.catch(() => {});
    const hashers = countHashers(this.jobs, readers, options);
    this.ingest = new IngestPool({ slabs: this.slabs, threads: readers, hashers, reserve }, error =>
      this.fail(error),
    );
    this.#signal = options.signal;
    this.#onAbort = () => {
      const reason: unknown = this.#signal?.reason;
      this.fail(
        reason instanceof ShaleError ? reason : new ShaleError('cancelled', 'cancelled', { cause: reason }),
      );
    };
    if (this.#signal?.aborted) this.#onAbort();
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Ends the work with this error, unless it has failed already. */
  readonly fail = (error: unknown): void => {
    this.#failure ??= { error };
    this.#fail(error);
  };

  /** Throws what the work has failed with: whoever goes on after an await must not touch what is being closed. */
  readonly check = (): void => {
    if (this.#failure !== undefined) throw this.#failure.error;
  };

  race<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#failure ??= { error: new ShaleError('internal', 'the work goes on after its end') };
    await this.ingest.close();
  }
}

function countSlabs(
  jobs: number,
  readers: number,
  least: number,
  options: WorkbenchOptions & { outputs: number },
): number {
  const threads = readers + jobs * options.outputs + (options.followers ?? 0);
  const fixed = processBytes + threadBytes * threads;
  const needed = fixed + least * SlabPool.capacity;
  const memory = options.memory ?? Math.max(defaultMemory, needed);
  if (memory < needed) {
    const mebibytes = Math.ceil(needed / mebibyte);
    throw new ShaleError('invalid', `--memory: ${jobs} jobs need ${mebibytes} MiB at the least`, {
      detail: { memory, needed },
      hint: `give --memory ${mebibytes}M, or fewer --jobs`,
    });
  }
  const room = Math.floor((memory - fixed) / SlabPool.capacity);
  return Math.max(least, Math.min(room, mostSlabsPerJob * jobs));
}

/** Processors that have nothing else to do hash what the readers read, where the memory suffices. */
function countHashers(
  jobs: number,
  readers: number,
  { outputs, memory = defaultMemory }: WorkbenchOptions & { outputs: number },
): number {
  if (outputs > 0) return 0;
  const spare = Math.floor((memory - processBytes) / threadBytes) - 2 * readers;
  return Math.max(0, Math.min(readers, jobs - readers, spare));
}
