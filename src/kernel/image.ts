import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { wrapErrno } from '../error/index.ts';
import { hostPlatform, throwIfAborted, writeAll } from '../host/index.ts';
import { extractVmlinux, isBzImage, readBzImage } from './bz-image.ts';
import { isElf } from './elf.ts';
import { KernelError } from './error.ts';
import type { InstallProgress } from './progress.ts';
import { findRelease, readVmlinux } from './vmlinux.ts';

/** No kernel has a tenth of it. */
export const mostImageBytes = 512 * 1024 * 1024;
const headBytes = 4096;

export type ImageKind = 'bzImage' | 'vmlinux';

export interface ImageFacts {
  readonly release: string;
  readonly architecture: string;
  readonly pvh: boolean;
}

/** What kind of kernel a file is. KernelError: `invalid` if it is none, `unsupported` for another machine's. */
export function imageKind(path: string): ImageKind {
  const head = readHead(path);
  if (isElf(head)) return 'vmlinux';
  if (isBzImage(head)) return 'bzImage';
  const isArm = head.length > 60 && head.toString('latin1', 56, 60) === 'ARM\x64';
  if (isArm) throw wrongArchitecture(path, 'arm64');
  throw new KernelError('invalid', `${path} is no kernel: neither a bzImage nor an ELF file`, {
    hint: 'give a vmlinuz or a vmlinux for amd64',
  });
}

/** Of a kernel that is an ELF file. */
export function inspectVmlinux(path: string): ImageFacts {
  const { architecture, pvh } = readVmlinux(path);
  checkArchitecture(path, architecture);
  return { release: findRelease(path), architecture, pvh };
}

/** The release of a kernel, of either kind. */
export function imageRelease(path: string): string {
  return imageKind(path) === 'vmlinux' ? inspectVmlinux(path).release : readBzImage(readImage(path)).release;
}

/** Writes the kernel that is in a bzImage to an open file. */
export function extractImage(
  path: string,
  fd: number,
  options: InstallProgress,
): { readonly release: string } {
  checkArchitecture(path, 'amd64');
  const bytes = readImage(path);
  const { release } = readBzImage(bytes);
  let position = 0;
  for (const piece of extractVmlinux(bytes)) {
    throwIfAborted(options.signal);
    if (position + piece.length > mostImageBytes) {
      throw new KernelError('exhausted', `the kernel in ${path} is too large for one`);
    }
    writeAll(fd, piece, position);
    position += piece.length;
    options.onProgress?.({ step: 'extract', what: basename(path), bytes: position });
  }
  return { release };
}

function readImage(path: string): Buffer {
  const { size } = statSync(path);
  if (size > mostImageBytes) throw new KernelError('exhausted', `${path} is too large for a kernel`);
  return readFileSync(path);
}

function checkArchitecture(path: string, architecture: string): void {
  if (architecture !== 'amd64') throw wrongArchitecture(path, architecture);
  if (hostPlatform().architecture !== 'amd64') {
    throw new KernelError('unsupported', `${path} is for amd64, and this machine is not`);
  }
}

function wrongArchitecture(path: string, architecture: string): KernelError {
  return new KernelError('unsupported', `${path} is a kernel for ${architecture}; zones run on amd64`, {
    detail: { path, architecture },
    hint: 'give a kernel for amd64',
  });
}

function readHead(path: string): Buffer {
  try {
    const fd = openSync(path, 'r');
    try {
      const head = Buffer.alloc(headBytes);
      return head.subarray(0, readSync(fd, head, 0, headBytes, 0));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw wrapErrno(error, `cannot read the kernel ${path}`);
  }
}
