import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { wrapErrno } from '../error/index.ts';
import { parseRelease } from './bz-image.ts';
import { elfMachine, readSegments, segmentType } from './elf.ts';
import { KernelError } from './error.ts';

const headBytes = 64 * 1024;
const mostNoteBytes = 1024 * 1024;
const chunkBytes = 1024 * 1024;
/** How Linux begins what it says first (init/version.c); the release follows. */
const banner = Buffer.from('Linux version ');
const mostRelease = 128;
/** Of the notes for Xen: where to start with paging off, which is what PVH means (xen/include/public/elfnote.h). */
const xenStart32 = 18;

/** What an uncompressed kernel's file says of itself. */
export interface VmlinuxFacts {
  readonly architecture: string;
  readonly pvh: boolean;
}

/** Looks at a kernel's ELF headers. KernelError: `invalid` if it is none, `corrupt`. */
export function readVmlinux(path: string): VmlinuxFacts {
  return withFile(path, fd => {
    const head = readPart(fd, 0, headBytes);
    const architecture = elfMachine(head);
    if (architecture === undefined)
      throw new KernelError('invalid', `${path} is no kernel: no 64-bit ELF file`);
    const pvh = readSegments(head)
      .filter(({ type }) => type === segmentType.note)
      .some(({ offset, fileSize }) => hasStart32(readPart(fd, offset, Math.min(fileSize, mostNoteBytes))));
    return { architecture, pvh };
  });
}

/** The release that a kernel's file says when it starts. KernelError `invalid` if it says none. */
export function findRelease(path: string): string {
  return withFile(path, fd => {
    const keep = banner.length + mostRelease;
    for (let at = 0; ; at += chunkBytes) {
      const part = readPart(fd, at, chunkBytes + keep);
      for (let found = part.indexOf(banner); found >= 0; found = part.indexOf(banner, found + 1)) {
        const text = part.toString('latin1', found + banner.length, found + keep);
        // There may be a format string, too: `Linux version %s`.
        if (/^[0-9]/.test(text)) return parseRelease(text);
      }
      if (part.length < chunkBytes + keep) break;
    }
    throw new KernelError('invalid', `${path} is no Linux kernel: it does not say its version`);
  });
}

/** Notes: sizes of name and content, a type, the name, the content; each of the latter padded to four bytes. */
function hasStart32(notes: Buffer): boolean {
  for (let at = 0; at + 12 <= notes.length; ) {
    const [nameSize, size] = [notes.readUInt32LE(at), notes.readUInt32LE(at + 4)];
    const name = notes.toString('latin1', at + 12, at + 12 + Math.min(nameSize, 8));
    if (name === 'Xen\0' && notes.readUInt32LE(at + 8) === xenStart32) return true;
    at += 12 + Math.ceil(nameSize / 4) * 4 + Math.ceil(size / 4) * 4;
  }
  return false;
}

function readPart(fd: number, position: number, size: number): Buffer {
  const bytes = Buffer.alloc(Math.max(0, Math.min(size, fstatSync(fd).size - position)));
  for (let filled = 0; filled < bytes.length; ) {
    const count = readSync(fd, bytes, filled, bytes.length - filled, position + filled);
    if (count === 0) return bytes.subarray(0, filled);
    filled += count;
  }
  return bytes;
}

function withFile<T>(path: string, use: (fd: number) => T): T {
  try {
    const fd = openSync(path, 'r');
    try {
      return use(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw wrapErrno(error, `cannot read ${path}`);
  }
}
