import { closeSync, openSync, readSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { SnapshotError } from '../../error.ts';
import type { Mount } from '../../mount.ts';
import { openMounts } from '../../mounting.ts';
import { runTool, type Tool } from '../tool.ts';
import type { FilesystemType } from './settings.ts';

export const formatters: Readonly<Record<FilesystemType, Tool>> = {
  ext4: { program: 'mkfs.ext4', package: 'e2fsprogs' },
  xfs: { program: 'mkfs.xfs', package: 'xfsprogs' },
};

export interface FormatOptions {
  readonly type: FilesystemType;
  /** How large the filesystem is to be. */
  readonly bytes: number;
  /** Whether all that was never written reads as zeros, so that nobody need write them. */
  readonly zeroed: boolean;
  /** A directory to mount in for a moment. */
  readonly scratch: string;
}

/** Puts an empty filesystem on a device: nothing is in its root. */
export async function format(device: string, options: FormatOptions): Promise<void> {
  const { type, scratch } = options;
  if (type === 'xfs') await formatXfs(device, options);
  else await formatExt4(device, options);
  using mounted = await openMounts([mountOf(device, type, 'active')], scratch);
  // For fsck(8), which makes it again. It is in no layer.
  if (type === 'ext4') rmdirSync(join(mounted.path, 'lost+found'));
}

const full = [/No space left/, 'exhausted', 'the thin pool is too small, or full: enlarge it'] as const;

async function formatXfs(device: string, { bytes }: FormatOptions): Promise<void> {
  const words = ['-q', '-f', '-K', '-d', `size=${bytes}`, device];
  await runTool(formatters.xfs, words, { doing: `put xfs on ${device}` }, [full]);
}

/** Without `assume_storage_prezeroed` the kernel zeroes inode tables in the background, which gives each snapshot blocks of its own. */
async function formatExt4(device: string, { bytes, zeroed }: FormatOptions): Promise<void> {
  const make = async (extended: string) => {
    const words = ['-q', '-F', '-m', '0', '-E', `nodiscard,root_owner=0:0,${extended}`];
    const blocks = Math.floor(bytes / 1024);
    await runTool(formatters.ext4, [...words, device, `${blocks}k`], { doing: `put ext4 on ${device}` }, [
      [/Bad option/, 'unsupported'],
      full,
    ]);
  };
  const written = 'lazy_itable_init=0,lazy_journal_init=0';
  if (!zeroed) return await make(written);
  try {
    await make('assume_storage_prezeroed=1');
  } catch (error) {
    if (!(error instanceof SnapshotError && error.code === 'unsupported')) throw error;
    // Before e2fsprogs 1.47.
    await make(written);
  }
}

/** How a device is mounted: by whom it is written to, to be seen, or as what never changes, and is not written to for its journal either. */
export function mountOf(source: string, type: FilesystemType, as: 'active' | 'view' | 'committed'): Mount {
  // Snapshots have their origin's UUID, which XFS minds.
  const always = type === 'xfs' ? ['nouuid'] : [];
  const noRecovery = type === 'xfs' ? 'norecovery' : 'noload';
  const options = { active: [], view: ['ro'], committed: ['ro', noRecovery] } as const;
  return { type, source, options: [...options[as], ...always] };
}

export interface Superblock {
  readonly type: FilesystemType;
  /** Inodes in use, when it was last written. */
  readonly inodes: number;
}

/** What a device has on it, by its superblock. SnapshotError `corrupt` if that is nothing of ours. */
export function readSuperblock(device: string): Superblock {
  const bytes = Buffer.alloc(4096);
  const fd = openSync(device, 'r');
  try {
    readSync(fd, bytes, 0, bytes.length, 0);
  } finally {
    closeSync(fd);
  }
  // xfs_dsb: all big-endian; sb_icount, and of these sb_ifree. ext4_super_block, at 1024.
  if (bytes.toString('latin1', 0, 4) === 'XFSB') {
    return { type: 'xfs', inodes: Number(bytes.readBigUInt64BE(128) - bytes.readBigUInt64BE(136)) };
  }
  if (bytes.readUInt16LE(1024 + 56) === 0xef53) {
    return { type: 'ext4', inodes: bytes.readUInt32LE(1024) - bytes.readUInt32LE(1024 + 16) };
  }
  throw new SnapshotError('corrupt', `there is no filesystem on ${device}`, { detail: { device } });
}
