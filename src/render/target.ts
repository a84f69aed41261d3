import { dirname } from 'node:path';
import type { Writable } from 'node:stream';
import type { Warnings } from '../error/index.ts';
import { type AtomicFile, createAtomicFile, temporaryRoot } from '../host/index.ts';
import type { ErofsOptions } from './sink/erofs-sink.ts';
import type { ImageFile } from './sink/file-access.ts';
import type { Sink } from './sink/sink.ts';
import type { SquashfsOptions } from './sink/squashfs-sink.ts';
import type { Workbench } from './workbench.ts';

/** What is to be made, and where. */
export type Target =
  | ({ readonly format: 'squashfs'; readonly path: string } & SquashfsOptions)
  | ({ readonly format: 'erofs'; readonly path: string } & ErofsOptions)
  | { readonly format: 'tar'; readonly path: string }
  | { readonly format: 'tar'; readonly stream: Writable }
  | { readonly format: 'directory'; readonly path: string };

/** Whether blocks of it are compressed in threads (see `RenderOptions.compressing`). A squashfs has them always. */
export function hasBlockThreads(target: Target): boolean {
  return target.format === 'squashfs' || (target.format === 'erofs' && target.compression !== 'none');
}

export interface OpenSinkOptions {
  readonly warnings: Warnings;
  readonly signal?: AbortSignal | undefined;
  /** Whether a file that stands at the target is replaced; otherwise that is an `exists` error. Directories never are. */
  readonly replace: boolean;
  /** Whether hashes of images are computed while they are written (`Output.measured`); each takes a thread for it. */
  readonly measure?: boolean | undefined;
  /** Hears of the file that an image is written to, while that is empty. */
  readonly opened?: ((file: AtomicFile) => void) | undefined;
}

/**
 * Fails before any work is done if the target cannot be made: it is there already, or its parent is not. A format's code is
 * loaded when it is asked for: a small image takes no longer to render than what it needs takes to load.
 */
export async function openSink(target: Target, bench: Workbench, options: OpenSinkOptions): Promise<Sink> {
  const { warnings, signal, replace } = options;
  const { slabs, jobs: threads, fail } = bench;
  const exists = replace ? 'replace' : 'error';
  switch (target.format) {
    case 'squashfs': {
      const { SquashfsSink } = await import('./sink/squashfs-sink.ts');
      const file = await createImageFile(target.path, bench, options);
      try {
        return new SquashfsSink({ ...target, file, slabs, threads, warnings, fail });
      } catch (error) {
        await file[Symbol.asyncDispose]();
        throw error;
      }
    }
    case 'erofs': {
      const { ErofsSink } = await import('./sink/erofs-sink.ts');
      const file = await createImageFile(target.path, bench, options);
      try {
        return new ErofsSink({ ...target, file, slabs, threads, warnings, fail });
      } catch (error) {
        await file[Symbol.asyncDispose]();
        throw error;
      }
    }
    case 'tar': {
      const { TarSink } = await import('./sink/tar-sink.ts');
      const { Spool } = await import('./sink/spool.ts');
      const { fileTarget, streamTarget } = await import('./sink/tar-target.ts');
      if ('stream' in target) {
        return new TarSink(streamTarget(target.stream, '-'), new Spool(temporaryRoot()), slabs);
      }
      const file = await createAtomicFile(target.path, { exists });
      return new TarSink(fileTarget(file), new Spool(dirname(file.path)), slabs);
    }
    case 'directory': {
      const { DirectoryTarget } = await import('./directory/index.ts');
      const { DirectorySink } = await import('./sink/directory-sink.ts');
      const directory = await DirectoryTarget.create(target.path, {
        warnings,
        ...(signal === undefined ? {} : { signal }),
      });
      return new DirectorySink(directory, target.path, slabs);
    }
  }
}

async function createImageFile(
  path: string,
  { fail }: Workbench,
  { replace, measure = false, opened }: OpenSinkOptions,
): Promise<ImageFile> {
  const file = await createAtomicFile(path, { exists: replace ? 'replace' : 'error' });
  opened?.(file);
  if (!measure) return file;
  const { FollowedFile } = await import('./sink/followed-file.ts');
  return new FollowedFile(file, fail);
}
