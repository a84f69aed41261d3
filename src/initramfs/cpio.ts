import { type ByteString, printable } from '../tree/index.ts';
import { InitramfsError } from './error.ts';

/** One path of the archive. Parents come before what they hold: Linux drops what has none. */
export interface InitramfsEntry {
  /** Relative, without a slash at either end. */
  readonly path: ByteString;
  /** With the type: `S_IFDIR`, `S_IFREG`, `S_IFCHR`, `S_IFBLK` or `S_IFLNK`. */
  readonly mode: number;
  /** Of a file; of a symlink its target. */
  readonly content?: Uint8Array;
  readonly device?: { readonly major: number; readonly minor: number };
}

/** Types of `mode` (inode(7)). */
export const fileTypes = { mask: 0o170000, directory: 0o040000, file: 0o100000 } as const;
const others = { symlink: 0o120000, character: 0o020000, block: 0o060000 } as const;

const magic = '070701';
const trailer = 'TRAILER!!!';
const alignment = 4;
/** What Linux takes for a path, its NUL included (PATH_MAX). */
const mostPath = 4096;
const mostContent = 0xffffffff;

/**
 * Writes a cpio archive in the new ASCII format (`newc`), as Documentation/driver-api/early-userspace/buffer-format.rst of Linux describes it.
 * Entries stay in their order; times, users and inode numbers say nothing of where it was made: the same entries are the
 * same bytes. It ends as `padInitramfs` has it. InitramfsError `invalid` for paths that Linux would not unpack.
 */
export function writeInitramfs(entries: readonly InitramfsEntry[]): Uint8Array {
  const kinds = new Map<ByteString, number>();
  const pieces: Uint8Array[] = [];
  for (const [index, entry] of entries.entries()) {
    check(entry, kinds);
    pieces.push(...writeEntry(entry, index + 1));
  }
  pieces.push(...writeEntry({ path: trailer, mode: 0 }, 0));
  return padInitramfs(Buffer.concat(pieces));
}

function check({ path, mode, content, device }: InitramfsEntry, kinds: Map<ByteString, number>): void {
  const fail = (why: string) =>
    new InitramfsError('invalid', `initramfs: ${printable(path)} ${why}`, { detail: { path } });
  const names = path.split('/');
  if (names.some(name => name === '' || name === '.' || name === '..' || name.includes('\0'))) {
    throw fail('is no relative path');
  }
  if (path.length >= mostPath || path === trailer) throw fail('is no path that Linux would unpack');
  if (kinds.has(path)) throw fail('is there twice');
  const parent = names.slice(0, -1).join('/');
  if (parent !== '' && kinds.get(parent) !== fileTypes.directory) throw fail('has no directory before it');
  const type = mode & fileTypes.mask;
  const isDevice = type === others.character || type === others.block;
  const hasContent = type === fileTypes.file || type === others.symlink;
  if (!isDevice && !hasContent && type !== fileTypes.directory) throw fail('has a mode without a type');
  if ((device !== undefined) !== isDevice) throw fail('is a device without a number, or the reverse');
  if (content !== undefined && !hasContent) throw fail('can have no content');
  if (type === others.symlink && (content?.length ?? 0) === 0) throw fail('is a symlink without a target');
  if (content !== undefined && content.length > mostContent) throw fail('has 4 GiB or more');
  kinds.set(path, type);
}

function writeEntry({ path, mode, content, device }: InitramfsEntry, inode: number): Uint8Array[] {
  const isDirectory = (mode & fileTypes.mask) === fileTypes.directory;
  const fields = [
    inode,
    mode,
    0, // user
    0, // group
    isDirectory ? 2 : 1, // links
    0, // time of modification
    content?.length ?? 0,
    0, // device that it lies on
    0,
    device?.major ?? 0,
    device?.minor ?? 0,
    path.length + 1,
    0, // checksum, of another format
  ];
  const numbers = fields.map(field => field.toString(16).padStart(8, '0')).join('');
  const head = aligned(Buffer.from(`${magic}${numbers}${path}\0`, 'latin1'));
  return content === undefined ? [head] : [head, aligned(content)];
}

function aligned(bytes: Uint8Array): Uint8Array {
  const missing = (alignment - (bytes.length % alignment)) % alignment;
  return missing === 0 ? bytes : Buffer.concat([bytes], bytes.length + missing);
}

const page = 4096;

/**
 * Appends zeros, which Linux passes over behind an archive and behind a compressed one, until the length is four bytes more than a
 * multiple of 4096. QEMU's `microvm` puts a first root right below its ACPI tables: of some other lengths they overlap,
 * and the machine hangs.
 */
export function padInitramfs(bytes: Uint8Array): Uint8Array {
  const length = Math.ceil((bytes.length - 4) / page) * page + 4;
  return length === bytes.length ? bytes : Buffer.concat([bytes], length);
}
