/** The same as in overlay.test.ts in a user namespace with subordinate ids, as an ordinary user has it: `userxattr`, and fuse-overlayfs. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Scratch } from '../../engine/scratch.ts';
import { readSeed } from '../../model/random.ts';
import { requires } from '../../requirement.ts';
import { assertShown, findFuseObstacle } from './shown.ts';

const seed = readSeed();
const rounds = Number(process.env.COUNT ?? 10);
const skip = requires({ root: true, tools: ['getfattr', 'cp', 'unshare'], mounts: ['overlay', 'tmpfs'] });
const kinds = {
  'overlay-user': ['tame-user', 'wild-user'],
  'fuse-overlayfs': ['tame-user-fuse'],
} as const;
const child = join(import.meta.dirname, 'overlay-child.ts');

for (const form of ['overlay-user', 'fuse-overlayfs'] as const) {
  for (const kind of kinds[form]) {
    const missing = form === 'fuse-overlayfs' ? findFuseObstacle() : false;
    test(`${form}, ${kind} (SEED=${seed} COUNT=${rounds})`, { skip: skip || missing }, async () => {
      using scratch = new Scratch();
      chmodSync(scratch.path, 0o755);
      const words = [process.execPath, child, scratch.path, kind, form, `${seed}`, `${rounds}`];
      assertShown(await runWithSubordinateIds(scratch.path, words), { kind, seed, rounds });
    });
  }
}

/** Root of a user namespace of its own, whose ids are 100000 and up outside, in a mount namespace. */
async function runWithSubordinateIds(scratch: string, words: readonly string[]): Promise<string> {
  const wait = 'read -r _; exec setpriv --reuid 0 --regid 0 --clear-groups "$@"';
  // Everybody may open /dev/fuse, as systems have it.
  const open = 'mknod -m 666 "$1/fuse" c 10 229; mount --bind "$1/fuse" /dev/fuse || true; shift; exec "$@"';
  const inside = ['unshare', '--user', '--mount', '--keep-caps', 'sh', '-c', wait, 'sh', ...words];
  const outside = ['--mount', '--propagation', 'private', 'sh', '-c', open, 'sh', scratch, ...inside];
  const process = spawn('unshare', outside, {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const pieces: Buffer[] = [];
  process.stdout.on('data', piece => pieces.push(piece));
  const end = once(process, 'close');
  await mapIds(process.pid!);
  process.stdin.end('\n');
  const [status] = await end;
  assert.equal(status, 0);
  return Buffer.concat(pieces).toString();
}

/** unshare(1) becomes what it runs, so the number stays; until it is in its namespace, the map cannot be written. */
async function mapIds(pid: number): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      writeFileSync(`/proc/${pid}/uid_map`, '0 100000 200000\n');
      break;
    } catch (error) {
      if (tries === 200) throw error;
      await new Promise(resolve => setTimeout(resolve, 10));
    }
  }
  writeFileSync(`/proc/${pid}/gid_map`, '0 100000 200000\n');
}
