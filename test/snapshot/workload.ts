import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { makeNode, removeXattr, setModified, setXattr } from '../../src/host/index.ts';
import { byteString } from '../../src/tree/index.ts';
import type { Random } from '../model/random.ts';

/**
 * Changes a tree at random, as programs in a container would: the same choices for the same tree. Left alone is what no overlay does like a filesystem
 * of one piece: directories are not renamed, files of several names are not changed, and those of lower layers get no more names.
 */
export function work(root: string, random: Random, steps: number): void {
  const own = new Set<string>();
  for (let step = 0; step < steps; step += 1) change(root, random, step, own);
}

function change(root: string, random: Random, step: number, own: Set<string>): void {
  const all = listPaths(root);
  const directories = all.filter(path => stat(root, path).isDirectory());
  const files = all.filter(path => stat(root, path).isFile());
  // Not by st_nlink, which in an overlay still counts names that were deleted since.
  const inodes = files.map(path => `${stat(root, path).dev}:${stat(root, path).ino}`);
  const alone = files.filter(
    (_, index) => inodes.indexOf(inodes[index]!) === inodes.lastIndexOf(inodes[index]!),
  );
  const at = (path: string) => join(root, path);
  const fresh = () =>
    at(join(random.pick(['', ...directories]), `${random.pick(['a', 'b', 'c', 'ü', '-'])}${step}`));
  /** A name that is there, or was there. */
  const again = () => at(join(random.pick(['', ...directories]), random.pick(['a', 'b', 'c', 'd'])));
  const place = () => (random.chance(0.6) ? fresh() : again());
  const bytes = () => Buffer.alloc(random.pick([0, 1, 100, 4095, 4096, 4097, 70_000]), `${step} `);
  const kind = random.integer(14);
  const target = place();
  const isTaken = lstatSync(target, { throwIfNoEntry: false }) !== undefined;
  switch (kind) {
    case 0:
    case 1:
    case 2:
      if (isTaken) return;
      writeFileSync(target, bytes());
      own.add(target);
      return;
    case 3:
      if (!isTaken) mkdirSync(target, { mode: 0o750 });
      return;
    case 4:
      if (!isTaken) symlinkSync(random.pick(['a', '/b', '../c/d', 'x'.repeat(300)]), target);
      return;
    case 5:
      if (isTaken) return;
      if (random.chance(0.5)) makeNode(byteString(target), 'fifo');
      else makeNode(byteString(target), 'character', 1, 3);
      return;
    case 6: {
      const made = alone.map(at).filter(path => own.has(path));
      if (made.length > 0 && !isTaken) linkSync(random.pick(made), target);
      return;
    }
    case 7:
    case 8:
      if (all.length > 0) rmSync(at(random.pick(all)), { recursive: true });
      return;
    case 9:
      if (alone.length > 0) appendFileSync(at(random.pick(alone)), bytes());
      return;
    case 10:
      if (alone.length > 0) truncateSync(at(random.pick(alone)), random.pick([0, 10, 5000, 300_000]));
      return;
    case 11:
      if (alone.length > 0 && !isTaken) renameSync(at(random.pick(alone)), target);
      return;
    case 12: {
      const path = random.pick(['', ...alone, ...directories]);
      if (random.chance(0.5)) chmodSync(at(path), random.pick([0o755, 0o4711, 0o1777, 0]));
      else chownSync(at(path), random.integer(3) * 1000, random.integer(70_000));
      setModified(byteString(at(path)), {
        seconds: random.pick([-5, 0, 1_700_000_000]),
        nanoseconds: 123_456_789,
      });
      return;
    }
    case 13: {
      const path = byteString(at(random.pick(['', ...alone, ...directories])));
      setXattr(path, 'user.test', Buffer.from(`${step}`));
      if (random.chance(0.3)) setXattr(path, 'trusted.test', Buffer.alloc(300, 'v'));
      if (random.chance(0.3)) removeXattr(path, 'user.test');
      return;
    }
  }
}

function stat(root: string, path: string) {
  return lstatSync(join(root, path));
}

/** All but the root, in one order on every filesystem. */
function listPaths(root: string): string[] {
  return (readdirSync(root, { recursive: true }) as string[]).sort();
}
