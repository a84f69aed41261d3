import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { Readable, type Transform } from 'node:stream';
import { createGzip, createZstdCompress } from 'node:zlib';
import { isErrno, Warnings, wrapErrno } from '../../error/index.ts';
import { missingParent, registerUnfinished, throwIfAborted, writeAll } from '../../host/index.ts';
import { type Digest, mediaTypes, parseDigest, parseLayerType } from '../../oci/index.ts';
import type { ChangeEntry } from './entry.ts';
import { DiffError } from './error.ts';
import { type LayerCount, type LayerStreamOptions, streamLayer } from './layer-stream.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

export interface ChangesLayerOptions extends Omit<LayerStreamOptions, 'warnings'> {
  /** `gzip` if not given, which everything reads. */
  readonly compression?: Compression | undefined;
  /** What the layer is called, of which its compression follows; OCI's name for the compression if not given. */
  readonly mediaType?: string | undefined;
  readonly warnings?: Warnings | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A layer in a file. Sizes in bytes. */
export interface ChangesLayer extends Readonly<LayerCount> {
  readonly path: string;
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly diffId: Digest;
  /** Of the archive, uncompressed. */
  readonly tarSize: number;
}

/**
 * Writes changes as an OCI layer into a new file (its owner's alone, not synced: whoever stores it
 * does that). Digests are computed in the stream, memory does not grow with the content. The same changes give the
 * same bytes. After a failure nothing is left; what is wrong with the changes is a DiffError (`streamLayer`), a
 * limit `exhausted`; `unsupported` for a media type that is no layer's.
 */
export async function writeChangesLayer(
  changes: AsyncIterable<ChangeEntry>,
  out: string,
  options: ChangesLayerOptions = {},
): Promise<ChangesLayer> {
  const { warnings = new Warnings(), signal } = options;
  const { mediaType, compression } = chooseType(options);
  const fd = create(out);
  const release = registerUnfinished(() => unlinkSync(out));
  try {
    const count: LayerCount = { entries: 0, whiteouts: 0, opaque: 0 };
    const tar = new Measure();
    const blob = new Measure();
    const archive = tar.pass(streamLayer(changes, count, { ...options, warnings }));
    for await (const chunk of compress(archive, compression)) {
      throwIfAborted(signal);
      writeAll(fd, chunk, blob.size);
      blob.update(chunk);
    }
    return {
      ...{ path: out, mediaType },
      ...{ digest: blob.digest(), size: blob.size, diffId: tar.digest(), tarSize: tar.size },
      ...count,
    };
  } catch (error) {
    unlinkSync(out);
    throw wrapErrno(error, `cannot write ${out}`);
  } finally {
    release();
    closeSync(fd);
  }
}

function chooseType(asked: ChangesLayerOptions): { mediaType: string; compression: Compression } {
  if (asked.mediaType !== undefined)
    return { mediaType: asked.mediaType, compression: parseLayerType(asked.mediaType).compression };
  const { compression = 'gzip' } = asked;
  const suffix = compression === 'none' ? '' : `+${compression}`;
  return { mediaType: mediaTypes.layer + suffix, compression };
}

/** Small pieces are gathered: a header is not worth a step of the compressor. */
const gathered = 256 * 1024;

async function* compress(
  archive: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (compression === 'none') {
    yield* gather(archive);
    return;
  }
  const source = Readable.from(gather(archive), { objectMode: false, highWaterMark: gathered });
  const compressor: Transform = compression === 'gzip' ? createGzip({ level: 6 }) : createZstdCompress();
  source.once('error', error => compressor.destroy(error));
  try {
    yield* source.pipe(compressor);
  } finally {
    source.destroy();
    compressor.destroy();
  }
}

async function* gather(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  let pieces: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    // A copy: the next one may take its place.
    pieces.push(Buffer.from(chunk));
    length += chunk.length;
    if (length < gathered) continue;
    yield Buffer.concat(pieces);
    pieces = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(pieces);
}

class Measure {
  readonly #hash = createHash('sha256');
  size = 0;

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.size += chunk.length;
  }

  async *pass(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of chunks) {
      this.update(chunk);
      yield chunk;
    }
  }

  digest(): Digest {
    return parseDigest(`sha256:${this.#hash.digest('hex')}`);
  }
}

function create(path: string): number {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) throw new DiffError('exists', `${path} exists already`, { cause: error });
    throw missingParent(error, path);
  }
}
