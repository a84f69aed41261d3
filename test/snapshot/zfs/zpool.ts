import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * The reason to skip what needs the real ZFS: no kernel of Debian's has it, and its module is built in minutes. `test/vm/build-zfs` does that, and
 * with what it made the virtual machine runs these files.
 */
export function requiresZfs(): string | false {
  const { status, stderr, error } = spawnSync('zfs', ['list'], { encoding: 'utf8' });
  if (error !== undefined) return 'no ZFS here (test/vm/build-zfs builds one for the virtual machine)';
  return status !== 0 && `no ZFS here: ${stderr.trim()}`;
}

export interface TestPool extends Disposable {
  readonly path: string;
  /** A dataset in it, of nobody's yet. */
  readonly dataset: string;
  /** What zpool(8) says of its health, after it has read all. */
  scrub(): string;
}

export function createZpool(): TestPool {
  const path = mkdtempSync(join(tmpdir(), 'shale-zfs-'));
  const name = path.slice(tmpdir().length + 1);
  const image = join(path, 'image');
  writeFileSync(image, '');
  truncateSync(image, 2 ** 28);
  run('zpool', 'create', '-O', 'mountpoint=none', name, image);
  run('zfs', 'create', `${name}/shale`);
  return {
    path,
    dataset: `${name}/shale`,
    scrub() {
      run('zpool', 'scrub', '-w', name);
      return run('zpool', 'status', '-x', name);
    },
    [Symbol.dispose]() {
      run('zpool', 'destroy', '-f', name);
      rmSync(path, { recursive: true });
    },
  };
}

export function run(program: string, ...programArguments: string[]): string {
  return execFileSync(program, programArguments, { encoding: 'utf8' }).trim();
}
