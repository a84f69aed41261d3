/** Changes to test with: entries made by hand, and those of a real upper directory. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readXattrs, splitDevice, timestamp } from '../../../src/host/index.ts';
import type { ChangeEntry } from '../../../src/layer/index.ts';

export interface Given extends Partial<Omit<ChangeEntry, 'content'>> {
  readonly content?: Buffer | string;
}

let inodes = 1n;

/** An entry that is fine but for what is given. */
export function change(path: string, type: keyof typeof types, given: Given = {}): ChangeEntry {
  const { content: text = '', ...fields } = given;
  const bytes = Buffer.from(text as string);
  return {
    path,
    mode: types[type] + (type === 'directory' ? 0o755 : 0o644),
    ...{ uid: 0, gid: 0, mtime: { seconds: 1_600_000_000, nanoseconds: 5 } },
    ...{ inode: inodes++, links: 1, xattrs: new Map() },
    ...(type === 'file' && { size: bytes.length, content: chunks(bytes) }),
    ...(type === 'symlink' && { target: 'target' }),
    ...((type === 'character' || type === 'block') && { device: { major: 1, minor: 3 } }),
    ...fields,
  };
}

export const types = {
  fifo: 0o10000,
  character: 0o20000,
  directory: 0o40000,
  block: 0o60000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
} as const;

export const root = (given: Given = {}) => change('', 'directory', given);
export const whiteout = (path: string, given: Given = {}) =>
  change(path, 'character', { device: { major: 0, minor: 0 }, ...given });

/** In pieces, each of which is overwritten when the next is asked for, as a channel's may be. */
export async function* chunks(bytes: Buffer, size = 50_000): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.alloc(Math.min(size, bytes.length));
  for (let at = 0; at < bytes.length; at += size) {
    const length = bytes.copy(buffer, 0, at, at + size);
    yield buffer.subarray(0, length);
  }
}

export async function* streamOf(entries: Iterable<ChangeEntry>): AsyncGenerator<ChangeEntry> {
  yield* entries;
}

/**
 * What init does with an upper directory: every path, parents first, names in byte order, content with the first
 * link.
 */
export function* walkUpper(upper: string): Generator<ChangeEntry> {
  const seen = new Set<bigint>();
  function* visit(path: string): Generator<ChangeEntry> {
    const full = path === '' ? upper : `${upper}/${path}`;
    const name = Buffer.from(full, 'latin1');
    const stats = lstatSync(name, { bigint: true });
    const isNew = !seen.has(stats.ino);
    seen.add(stats.ino);
    yield {
      path,
      ...{ mode: Number(stats.mode), uid: Number(stats.uid), gid: Number(stats.gid) },
      mtime: timestamp(stats.mtimeNs),
      ...{ inode: stats.ino, links: Number(stats.nlink), xattrs: readXattrs(full) },
      ...(stats.isFile() && {
        size: Number(stats.size),
        ...(isNew && { content: chunks(readFileSync(name)) }),
      }),
      ...(stats.isSymbolicLink() && { target: readlinkSync(name, 'latin1') }),
      ...((stats.isBlockDevice() || stats.isCharacterDevice()) && { device: splitDevice(stats.rdev) }),
    };
    if (!stats.isDirectory()) return;
    for (const child of readdirSync(name, 'latin1').sort())
      yield* visit(path === '' ? child : `${path}/${child}`);
  }
  yield* visit('');
}
