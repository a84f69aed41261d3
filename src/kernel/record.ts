import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno, wrapErrno } from '../error/index.ts';
import { type Digest, parseDigest } from '../oci/index.ts';
import { KernelError } from './error.ts';

/** What `kernel.json` says of an installed kernel. */
export interface KernelRecord {
  readonly format: 1;
  readonly name: string;
  readonly release: string;
  /** In OCI's words. */
  readonly architecture: string;
  /** Of the image that it came as. */
  readonly digest: Digest;
  /** Bytes of `vmlinux` and `bzImage`; `undefined`: it has none. */
  readonly vmlinux: number | undefined;
  readonly bzImage: number | undefined;
  readonly pvh: boolean;
  /** A digest over names and contents of all modules. */
  readonly modules: Digest;
  readonly moduleCount: number;
  /** Modules without a signature may be refused. */
  readonly signed: boolean;
  readonly source: KernelOrigin;
  /** When, in milliseconds since 1970. */
  readonly installed: number;
}

/** Where a kernel came from; the digest is that of the package or image, and tells whether it is there already. */
export interface KernelOrigin {
  readonly kind: 'package' | 'directory' | 'image' | 'file';
  readonly from: string;
  readonly version?: string | undefined;
  readonly digest?: string | undefined;
}

export const recordName = 'kernel.json';

/** The record of the kernel in a directory; `undefined` if there is none. KernelError `corrupt` for a damaged one. */
export function readRecord(directory: string): KernelRecord | undefined {
  let text: string;
  try {
    text = readFileSync(join(directory, recordName), 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw wrapErrno(error, `cannot read ${join(directory, recordName)}`);
  }
  try {
    const record = JSON.parse(text) as KernelRecord;
    if (record.format !== 1) throw new Error(`format ${record.format}`);
    parseDigest(record.digest);
    parseDigest(record.modules);
    for (const word of [record.name, record.release, record.source.kind]) {
      if (typeof word !== 'string') throw new Error('a field is missing');
    }
    return record;
  } catch (error) {
    throw new KernelError('corrupt', `${join(directory, recordName)} is damaged`, {
      cause: error,
      hint: 'remove the kernel and install it again: shale zone kernel rm, shale zone kernel install',
    });
  }
}
