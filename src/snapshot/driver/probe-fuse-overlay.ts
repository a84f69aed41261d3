import { mkdirSync, mkdtempSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ShaleError } from '../../error/index.ts';
import { findFuseObstacle, findProgram, type Obstacle, removeTree } from '../../host/index.ts';
import { openMounts, scratchPrefix } from '../mounting.ts';
import type { Support } from './driver.ts';

/** Whether fuse-overlayfs can serve an overlay with an upper directory in `root`: tries it, and leaves nothing. */
export async function probeFuseOverlay(root: string): Promise<Support> {
  const obstacle = findObstacle(root);
  if (obstacle !== undefined) return { usable: false, ...obstacle };
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const scratch = mkdtempSync(join(root, `${scratchPrefix}probe-`));
  try {
    const at = (name: string) => join(scratch, name);
    for (const name of ['lower', 'upper', 'work']) mkdirSync(at(name));
    for (const name of ['one', 'two']) writeFileSync(at(`lower/${name}`), 'probe');
    const options = [`workdir=${at('work')}`, `upperdir=${at('upper')}`, `lowerdir=${at('lower')}`];
    using mounted = await openMounts([{ type: 'fuse3.fuse-overlayfs', source: 'overlay', options }], scratch);
    writeFileSync(join(mounted.path, 'one'), 'changed');
    unlinkSync(join(mounted.path, 'two'));
    const names = readdirSync(mounted.path).join();
    if (names !== 'one') throw new Error(`the overlay shows ${names}`);
    return findProgram('mount.fuse3') === undefined
      ? { usable: true, note: 'containerd mounts it by mount.fuse3, which is in the package fuse3' }
      : { usable: true };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const hint = error instanceof ShaleError ? error.hint : undefined;
    return { usable: false, reason: error.message, hint: hint ?? 'put --root on another filesystem' };
  } finally {
    removeTree(scratch);
  }
}

function findObstacle(root: string): Obstacle | undefined {
  if (findProgram('fuse-overlayfs') === undefined) {
    return { reason: 'there is no program fuse-overlayfs', hint: 'install fuse-overlayfs' };
  }
  return findFuseObstacle() ?? findBadPath(root);
}

/** Before 1.15 the program knows no way to write a colon in a path, and three programs read what is written for a comma or a backslash. */
export function findBadPath(root: string): Obstacle | undefined {
  if (!/[:,\\]/.test(root)) return undefined;
  return {
    reason: `fuse-overlayfs takes no path with a colon, a comma or a backslash: ${root}`,
    hint: 'choose another --root',
  };
}
