import { type FileHandle, open } from 'node:fs/promises';
import { isErrno, wrapErrno } from '../error/index.ts';
import { documentLimit } from '../oci/index.ts';
import { Arrival } from './arrival.ts';
import type { Bytes, ContentOptions } from './contract.ts';
import { ContentError } from './error.ts';
import { DigestVerifier, type Expected } from './verifier.ts';

/** A byte range of a local file, where a blob lies. Offset and size in bytes. Plain data: it crosses threads. */
export interface BlobLocation {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
  /** The memory of an `Arrival`, where the file is still being written: readers wait for what is not there yet. */
  readonly arrival?: SharedArrayBuffer;
  /** Where such a file goes once its content was verified. */
  readonly settled?: string;
}

const chunkSize = 256 * 1024;

/**
 * The bytes of a range, not verified, in fresh chunks of at most 256 KiB. A file that ends before its range does:
 * ContentError `corrupt`; a system call's failure: ShaleError; an abort: `cancelled`.
 */
export async function* readLocation(location: BlobLocation, options: ContentOptions = {}): Bytes {
  const file = await openFile(location);
  try {
    const arrival = location.arrival === undefined ? undefined : new Arrival(location.arrival);
    let [position, left] = [location.offset, location.size];
    while (left > 0) {
      await arrival?.reach(position + Math.min(left, chunkSize), options.signal);
      if (options.signal?.aborted) {
        throw new ContentError('cancelled', 'cancelled', { cause: options.signal.reason });
      }
      const buffer = Buffer.allocUnsafeSlow(Math.min(left, chunkSize));
      const length = await readSome(file, buffer, position, location.path);
      if (length === 0) {
        throw new ContentError('corrupt', `${location.path} ends ${left} bytes too early`, {
          detail: { path: location.path, offset: position, missing: left },
        });
      }
      position += length;
      left -= length;
      yield buffer.subarray(0, length);
    }
  } finally {
    await file.close();
  }
}

/**
 * A small blob, whole, proven to have the expected digest and size. ContentError `corrupt` if it has not; above 4 MiB
 * `exhausted`, before anything is read.
 */
export async function readVerified(
  location: BlobLocation,
  expected: Expected,
  options: ContentOptions & { readonly what?: string } = {},
): Promise<Uint8Array> {
  const verifier = new DigestVerifier(expected, options.what ?? `${expected.digest} in ${location.path}`);
  const bytes = await readSmall(location, options);
  verifier.update(bytes);
  verifier.finish();
  return bytes;
}

/** A small range, whole, not verified: for what no digest names, such as the index of a layout. Limits as above. */
export async function readSmall(location: BlobLocation, options: ContentOptions = {}): Promise<Uint8Array> {
  if (location.size > documentLimit) {
    const message = `${location.path}: a document of ${location.size} bytes is over the limit of ${documentLimit}`;
    throw new ContentError('exhausted', message, { detail: { size: location.size, limit: documentLimit } });
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of readLocation(location, options)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function openFile({ path, settled }: BlobLocation): Promise<FileHandle> {
  try {
    return await open(path, 'r').catch(error => {
      if (settled === undefined || !isErrno(error, 'ENOENT')) throw error;
      return open(settled, 'r');
    });
  } catch (error) {
    throw wrapErrno(error, `cannot open ${path}`);
  }
}

async function readSome(file: FileHandle, buffer: Buffer, position: number, path: string): Promise<number> {
  try {
    return (await file.read(buffer, 0, buffer.length, position)).bytesRead;
  } catch (error) {
    throw wrapErrno(error, `cannot read ${path}`);
  }
}
