/** The merge engine against the kernel: tame stacks as layer directories under one OverlayFS mount each. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { applyEngine } from '../model/engine.ts';
import { applyModel } from '../model/model.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { formatStack } from '../model/record.ts';
import { createTameStack } from '../model/tame.ts';

const seed = readSeed();
const count = Number(process.env.COUNT ?? 60);
const worker = join(import.meta.dirname, '../model/overlayfs.ts');

test(`the kernel's OverlayFS merges tame stacks alike (SEED=${seed} COUNT=${count})`, {
  skip: findObstacle(),
}, () => {
  const directory = mkdtempSync(join(tmpdir(), 'shale-overlayfs-'));
  try {
    const listings = JSON.parse(runPrivately(process.execPath, worker, directory, `${seed}`, `${count}`));
    assert.equal(listings.length, count);
    for (let index = 0; index < count; index++) {
      const stack = createTameStack(createRandom(seed + index));
      for (const apply of [applyModel, applyEngine]) {
        const outcome = apply(stack, { seconds: 0, nanoseconds: 0 });
        const listing = outcome === 'rejected' ? outcome : outcome.listing;
        assert.deepEqual(
          listing,
          listings[index],
          `${apply.name} SEED=${seed + index} COUNT=1\n${formatStack(stack)}\n`,
        );
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

/** The mounts live and die with the child: nothing is left behind, whatever happens to it. */
function runPrivately(...words: string[]): string {
  const options = { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 } as const;
  return execFileSync('unshare', ['--mount', '--propagation', 'private', ...words], options);
}

function findObstacle(): string | false {
  if (process.platform !== 'linux') return 'OverlayFS is Linux only';
  if (process.getuid?.() !== 0) return 'mounting needs root';
  try {
    execFileSync('getfattr', ['--version'], { stdio: 'ignore' });
  } catch {
    return 'getfattr and setfattr (package attr) are not installed';
  }
  const directory = mkdtempSync(join(tmpdir(), 'shale-overlayfs-'));
  const probe =
    'mount -t tmpfs t "$0" && mkdir "$0/a" "$0/b" "$0/m" && setfattr -n user.a -v 1 "$0/a" && mount -t overlay -o "ro,lowerdir=$0/a:$0/b" t "$0/m"';
  try {
    execFileSync('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', probe, directory], {
      stdio: 'ignore',
    });
    return false;
  } catch {
    return 'no mount namespace, no OverlayFS, or a tmpfs without user xattrs (Linux 6.6)';
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
