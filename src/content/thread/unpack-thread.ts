import { Thread } from '../../bytes/pool/thread.ts';
import { type ShaleError, unpackError } from '../../error/index.ts';
import { ContentError } from '../error.ts';
import type { BlobLocation } from '../location.ts';
import {
  type BlobRequest,
  mostPieces,
  pieceBytes,
  type UnpackReply,
  type UnpackThreadData,
} from './protocol.ts';

export interface UnpackRequest extends Omit<BlobRequest, 'kind' | 'blob'> {
  /** May still be sought, or waited for. */
  readonly blob: Promise<BlobLocation>;
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the blob that were read, as pieces are taken. */
  readonly onRead?: ((read: number) => void) | undefined;
}

/**
 * A thread that reads, verifies and decompresses blobs, while this one does something with what is in them. It goes ahead of
 * whoever takes the pieces, by `mostPieces`, over the end of a blob into the next one.
 */
export class UnpackThread implements AsyncDisposable {
  readonly #memory = new SharedArrayBuffer(mostPieces * pieceBytes);
  readonly #released = new Int32Array(new SharedArrayBuffer(4));
  readonly #thread: Thread;
  /** Requested and not ended, in order: pieces are the first one's. */
  readonly #blobs: UnpackedBlob[] = [];
  #last: Promise<void> = Promise.resolve();
  #pieces = 0;

  constructor() {
    const data: UnpackThreadData = { memory: this.#memory, released: this.#released };
    this.#thread = new Thread(import.meta.url, './worker', data, error => this.#fail(error));
    this.#thread.onMessage((reply: UnpackReply) => this.#receive(reply));
  }

  /**
   * The content of a blob: its chunks are valid until the next one is asked for, and the end is reached only after digest, size and diffID were compared.
   * Blobs are taken in the order in which they were requested, each to its end; one that is disposed is in nobody's way.
   */
  read(request: UnpackRequest): UnpackedBlob {
    const { blob: location, signal, onRead, ...rest } = request;
    const blob = new UnpackedBlob(this.#memory, this.#released, { signal, onRead });
    this.#blobs.push(blob);
    const before = this.#last;
    this.#last = location.then(
      async found => {
        await before;
        this.#thread.post({ ...rest, kind: 'blob', blob: found } satisfies BlobRequest);
      },
      async error => {
        await before;
        this.#blobs.splice(this.#blobs.indexOf(blob), 1);
        blob.fail(error);
      },
    );
    return blob;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new ContentError('cancelled', 'nothing more is read'));
    await this.#thread.end();
  }

  #receive(reply: UnpackReply): void {
    const [blob] = this.#blobs;
    if (reply.kind === 'piece') {
      blob!.deliver({ place: this.#pieces % mostPieces, ...reply });
      this.#pieces += 1;
      return;
    }
    this.#blobs.shift();
    if (reply.kind === 'end') blob!.finish();
    else blob!.fail(unpackError(reply.error));
  }

  #fail(error: ShaleError): void {
    for (const blob of this.#blobs) blob.fail(error);
  }
}

interface Piece {
  readonly place: number;
  readonly length: number;
  readonly read: number;
}

/** A blob's content, once. */
export class UnpackedBlob implements AsyncIterable<Uint8Array>, Disposable {
  readonly #memory: SharedArrayBuffer;
  readonly #released: Int32Array;
  readonly #options: Pick<UnpackRequest, 'signal' | 'onRead'>;
  readonly #pieces: Piece[] = [];
  #state: 'open' | 'ended' | 'left' = 'open';
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(
    memory: SharedArrayBuffer,
    released: Int32Array,
    options: Pick<UnpackRequest, 'signal' | 'onRead'>,
  ) {
    this.#memory = memory;
    this.#released = released;
    this.#options = options;
  }

  deliver(piece: Piece): void {
    if (this.#state === 'left') this.#release();
    else this.#pieces.push(piece);
    this.#wake?.();
  }

  finish(): void {
    if (this.#state === 'open') this.#state = 'ended';
    this.#wake?.();
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const { signal, onRead } = this.#options;
    const abort = () => this.fail(new ContentError('cancelled', 'cancelled', { cause: signal?.reason }));
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    try {
      for (let piece = await this.#next(); piece !== undefined; piece = await this.#next()) {
        try {
          yield Buffer.from(this.#memory, piece.place * pieceBytes, piece.length);
        } finally {
          this.#release();
        }
        onRead?.(piece.read);
      }
    } finally {
      signal?.removeEventListener('abort', abort);
      this[Symbol.dispose]();
    }
  }

  async #next(): Promise<Piece | undefined> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (this.#failure !== undefined) {
        if (piece !== undefined) this.#release();
        throw this.#failure.error;
      }
      if (piece !== undefined) return piece;
      if (this.#state === 'ended') return undefined;
      await new Promise<void>(wake => {
        this.#wake = wake;
      });
    }
  }

  [Symbol.dispose](): void {
    this.#state = 'left';
    for (const _ of this.#pieces.splice(0)) this.#release();
  }

  #release(): void {
    Atomics.add(this.#released, 0, 1);
    Atomics.notify(this.#released, 0);
  }
}
