import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { requires } from '../requirement.ts';
import { layerSuite } from '../suite/layers.ts';
import { type Root, snapshotterSuite } from '../suite/snapshotter.ts';

/** A btrfs of its own, on a loop device. */
function createBtrfs(): Root {
  const path = mkdtempSync(join(tmpdir(), 'shale-btrfs-'));
  const [image, place] = [join(path, 'image'), join(path, 'fs')];
  mkdirSync(place);
  execFileSync('truncate', ['-s', '512M', image]);
  execFileSync('mkfs.btrfs', ['-q', image]);
  execFileSync('mount', ['-o', 'loop', image, place]);
  return {
    path: place,
    [Symbol.dispose]() {
      execFileSync('umount', [place]);
      rmSync(path, { recursive: true });
    },
  };
}

const candidate = {
  open: async (root: string) => await Snapshots.open(root, await drivers.btrfs!.open({ root })),
  createRoot: createBtrfs,
  skip: requires({ tools: ['mkfs.btrfs'], mounts: ['btrfs'] }),
  canRebase: false,
};

snapshotterSuite('btrfs', candidate);
layerSuite('btrfs', candidate);
