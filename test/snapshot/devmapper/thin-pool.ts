import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requires } from '../../requirement.ts';

/** The reason to skip what needs a kernel with thin pools: Debian's has them, and test/vm runs these files on it. */
export function requiresThinPool(): string | false {
  const tools = ['dmsetup', 'thin_check', 'thin_ls', 'thin_delta', 'losetup', 'mkfs.ext4', 'mkfs.xfs'];
  const missing = requires({ tools, root: true });
  if (missing !== false) return missing;
  spawnSync('modprobe', ['-q', 'dm-thin-pool'], { stdio: 'ignore' });
  const { stdout } = spawnSync('dmsetup', ['targets'], { encoding: 'utf8' });
  return !/^thin-pool\b/m.test(stdout ?? '') && 'this kernel has no thin pools (device-mapper)';
}

/** A pool as an administrator makes one, and a directory for who uses it. */
export interface TestPool extends Disposable {
  readonly path: string;
  readonly name: string;
  /** What thin_check(8) has against its metadata; the pool is inactive afterwards. */
  check(): string;
}

export interface TestPoolOptions {
  readonly bytes?: number;
  readonly features?: readonly string[];
}

export function createThinPool({
  bytes = 2 ** 28,
  features = ['error_if_no_space'],
}: TestPoolOptions = {}): TestPool {
  const path = mkdtempSync(join(tmpdir(), 'shale-thin-'));
  const name = path.slice(tmpdir().length + 1);
  const [data, metadata] = [bytes, 2 ** 23].map((size, index) => {
    const file = join(path, `image-${index}`);
    writeFileSync(file, '');
    truncateSync(file, size);
    return run('losetup', '--find', '--show', file);
  }) as [string, string];
  const table = [0, bytes / 512, 'thin-pool', metadata, data, 128, 0, features.length, ...features].join(' ');
  run('dmsetup', 'create', '--verifyudev', name, '--table', table);
  return {
    path,
    name,
    check() {
      for (const device of devices(`shale-`)) run('dmsetup', 'remove', '--verifyudev', '--retry', device);
      run('dmsetup', 'remove', '--verifyudev', name);
      return spawnSync('thin_check', ['-q', metadata], { encoding: 'utf8' }).stderr;
    },
    [Symbol.dispose]() {
      spawnSync('dmsetup', ['remove', '--verifyudev', '--retry', name]);
      for (const device of [data, metadata]) run('losetup', '--detach', device);
      rmSync(path, { recursive: true });
    },
  };
}

/** Names of mapped devices that begin so. */
export function devices(prefix: string): string[] {
  return run('dmsetup', 'ls')
    .split('\n')
    .map(line => line.split('\t')[0]!)
    .filter(name => name.startsWith(prefix) && !/^shale-thin-/.test(name));
}

export function run(program: string, ...programArguments: string[]): string {
  return execFileSync(program, programArguments, { encoding: 'utf8' }).trim();
}
