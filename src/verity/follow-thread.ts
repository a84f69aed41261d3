import { Thread } from '../bytes/pool/index.ts';
import { unpackError } from '../error/index.ts';
import { VerityError } from './error.ts';
import type { FollowReply, FollowRequest } from './follow-protocol.ts';
import { type ByteRange, FollowedData, type FollowedFiles, stepBytes } from './followed-data.ts';

/** A thread needs as long to start as it takes to hash this, in bytes: less is hashed at the end, by the caller's thread. */
const worthThread = 4 * stepBytes;

/** `FollowedData` on a thread of its own, as soon as there is enough for one. */
export class FollowThread {
  readonly #files: FollowedFiles;
  readonly #failed: Promise<never>;
  #reject!: (error: unknown) => void;
  readonly #hears: ((error: unknown) => void) | undefined;
  #thread: Thread | undefined;
  /** Instead of a thread. */
  #own: FollowedData | undefined;
  #isEnded = false;
  /** Of who waits for `finish` or `digest`: one after the other. */
  #answer: ((reply: FollowReply) => void) | undefined;
  /** What the thread was told of, in bytes. */
  #announced = 0;

  constructor(files: FollowedFiles, fail: ((error: unknown) => void) | undefined) {
    this.#files = files;
    this.#hears = fail;
    this.#failed = new Promise((_, reject) => {
      this.#reject = reject;
    });
    this.#failed.catch(() => {}); // It may fail while nobody waits yet.
  }

  advance(position: number): void {
    // A thread that starts now would never be ended.
    if (this.#isEnded) return;
    const end = Math.floor(position / stepBytes) * stepBytes;
    const least = this.#thread === undefined ? worthThread : stepBytes;
    if (end < this.#announced + least) return;
    this.#announced = end;
    this.#thread ??= this.#start();
    this.#post({ kind: 'advance', position: end });
  }

  takeBack(position: number): void {
    if (position >= this.#announced) return;
    this.#announced = Math.floor(position / stepBytes) * stepBytes;
    this.#post({ kind: 'take-back', position });
  }

  async finish(size: number, rewritten: readonly ByteRange[]): Promise<Uint8Array> {
    if (this.#thread === undefined) {
      this.#own ??= new FollowedData(this.#files, () => this.#isEnded);
      return this.#own.finish(size, rewritten);
    }
    const reply = await this.#ask({ kind: 'finish', size, rewritten });
    return (reply as { readonly folded: Uint8Array }).folded;
  }

  async digest(size: number): Promise<string> {
    if (this.#thread === undefined) {
      this.#own ??= new FollowedData(this.#files, () => this.#isEnded);
      return this.#own.digest(size);
    }
    return ((await this.#ask({ kind: 'digest', size })) as { readonly digest: string }).digest;
  }

  /** Resolves when nothing uses the descriptors any more; who waits for `finish` gets an error. */
  async end(): Promise<void> {
    this.#isEnded = true;
    const isWaited = this.#answer !== undefined;
    await this.#thread?.end();
    if (isWaited) this.#reject(new VerityError('internal', 'a file is not followed any more'));
  }

  async #ask(request: FollowRequest): Promise<FollowReply> {
    const { promise, resolve } = Promise.withResolvers<FollowReply>();
    this.#answer = resolve;
    this.#post(request);
    try {
      return await Promise.race([promise, this.#failed]);
    } finally {
      this.#answer = undefined;
    }
  }

  #start(): Thread {
    const thread = new Thread(import.meta.url, './follow-worker', { files: this.#files }, error =>
      this.#fail(error),
    );
    thread.onMessage((reply: FollowReply) => {
      if ('error' in reply) this.#fail(unpackError(reply.error));
      else this.#answer?.(reply);
    });
    return thread;
  }

  #fail(error: unknown): void {
    this.#reject(error);
    this.#hears?.(error);
  }

  #post(request: FollowRequest): void {
    this.#thread!.post(request);
  }
}
