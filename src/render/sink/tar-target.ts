import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { ShaleError, wrapErrno } from '../../error/index.ts';
import type { AtomicFile } from '../../host/index.ts';

/** Where a tar goes, front to back. */
export interface TarTarget extends AsyncDisposable {
  /** As the output is called in results. */
  readonly path: string;
  /** Resolves when the chunk may be overwritten. */
  write(chunk: Uint8Array): Promise<void>;
  commit(): Promise<void>;
}

export function fileTarget(file: AtomicFile): TarTarget {
  return {
    path: file.path,
    async write(chunk) {
      file.append(chunk);
      file.startWriteback();
    },
    commit: () => file.commit(),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}

/** A stream cannot take back what it was given; but nothing is given to it before the whole image was verified. */
export function streamTarget(stream: Writable, path: string): TarTarget {
  let failure: unknown;
  let closed = false;
  stream.on('error', error => {
    failure = error;
  });
  const check = (): void => {
    if (closed) throw new ShaleError('internal', `${path} is written to after its end`);
    if (failure === undefined) return;
    const reader = (failure as NodeJS.ErrnoException).code === 'EPIPE';
    if (reader) throw new ShaleError('cancelled', `${path}: the reader went away`, { cause: failure });
    throw wrapErrno(failure, `cannot write to ${path}`);
  };
  return {
    path,
    async write(chunk) {
      check();
      // The stream keeps what it is given until it is written, and the caller uses its buffer again.
      // An error ends the wait, too, and is the check's to tell.
      if (!stream.write(Buffer.from(chunk)))
        await Promise.race([once(stream, 'drain'), once(stream, 'close')]).catch(() => {});
      check();
    },
    async commit() {
      check();
      await new Promise<void>(done => stream.write('', () => done()));
      check();
    },
    async [Symbol.asyncDispose]() {
      closed = true;
    },
  };
}
