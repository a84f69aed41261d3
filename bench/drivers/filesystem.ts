import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { run } from '../pull/packages.ts';
import type { FilesystemType } from './subject.ts';

/** A filesystem of its own, on a loop device over a file that has all its blocks. */
export interface LoopFilesystem extends Disposable {
  readonly path: string;
}

export const programs: Readonly<Record<FilesystemType, string>> = {
  ext4: 'mkfs.ext4',
  btrfs: 'mkfs.btrfs',
  xfs: 'mkfs.xfs',
};

const options: Readonly<Record<FilesystemType, readonly string[]>> = {
  // All tables now, instead of in the background while something is measured.
  ext4: ['-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0'],
  btrfs: ['-q'],
  xfs: ['-q', '-m', 'reflink=1'],
};

/** How it is made, for the reader. */
export function describeFilesystem(type: FilesystemType): string {
  return `${programs[type]} ${options[type].join(' ')} IMAGE && mount -o noatime "$(losetup --direct-io=on --find --show IMAGE)" DIR`;
}

export function createFilesystem(type: FilesystemType, bytes: number, scratch: string): LoopFilesystem {
  const directory = mkdtempSync(path.join(scratch, `${type}-`));
  const image = path.join(directory, 'image');
  const place = path.join(directory, 'fs');
  mkdirSync(place);
  let device: string | undefined;
  const dispose = () => {
    if (device !== undefined) run('losetup', ['--detach', device]);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    run('fallocate', ['-l', String(bytes), image]);
    run(programs[type], [...options[type], image]);
    device = run('losetup', ['--direct-io=on', '--find', '--show', image]).trim();
    run('mount', ['-o', 'noatime', device, place]);
  } catch (error) {
    dispose();
    throw error;
  }
  return {
    path: place,
    [Symbol.dispose]() {
      unmount(place);
      dispose();
    },
  };
}

/** Another process that has just unshared its mounts, with ours among them, keeps the loop devices on it busy for as long as it lives. */
function unmount(place: string): void {
  for (let attempt = 0; attempt < 50; attempt++) {
    if (spawnSync('umount', [place], { stdio: 'ignore' }).status === 0) return;
    spawnSync('sleep', ['0.2']);
  }
  run('umount', ['--lazy', place]);
}
