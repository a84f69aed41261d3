/** Layers applied one by one for the kernel's OverlayFS, against the model of the merge: what it shows must be that. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Scratch } from '../../engine/scratch.ts';
import { readSeed } from '../../model/random.ts';
import { requires } from '../../requirement.ts';
import { assertShown, findFuseObstacle } from './shown.ts';

const seed = readSeed();
const rounds = Number(process.env.COUNT ?? 12);
const skip = requires({ root: true, tools: ['getfattr', 'cp', 'unshare'], mounts: ['overlay', 'tmpfs'] });
const kinds = {
  overlay: ['tame', 'wild'],
  'overlay-user': ['tame', 'wild'],
  'fuse-overlayfs': ['tame-fuse'],
} as const;
const child = join(import.meta.dirname, 'overlay-child.ts');

describe(`what the kernel shows of applied layers (SEED=${seed} COUNT=${rounds})`, { skip }, () => {
  for (const form of ['overlay', 'overlay-user', 'fuse-overlayfs'] as const) {
    for (const kind of kinds[form]) {
      test(`${form}, ${kind} stacks`, { skip: form === 'fuse-overlayfs' && findFuseObstacle() }, () => {
        using scratch = new Scratch();
        const words = [process.execPath, child, scratch.path, kind, form, `${seed}`, `${rounds}`];
        const output = execFileSync('unshare', ['--mount', '--propagation', 'private', ...words], {
          encoding: 'utf8',
          maxBuffer: 2 ** 30,
        });
        assertShown(output, { kind, seed, rounds });
      });
    }
  }
});
