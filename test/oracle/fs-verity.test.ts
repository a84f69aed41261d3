import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { requires } from '../requirement.ts';
import { createMachines, requiresMachine } from '../zone/machine-fixture.ts';

const repository = path.join(import.meta.dirname, '..', '..');
const skip = requiresMachine('qemu') || requires({ tools: ['mkfs.ext4', 'ldd'] });

/** This Node with the libraries that it needs, and of Shale what runs in a zone. */
function copyNode(directory: string): string[] {
  mkdirSync(`${directory}/lib`, { recursive: true });
  copyFileSync(process.execPath, `${directory}/node`);
  const libraries =
    execFileSync('ldd', [process.execPath], { encoding: 'utf8' }).match(/(?<=\s)\/\S+/g) ?? [];
  for (const library of libraries) copyFileSync(library, `${directory}/lib/${path.basename(library)}`);
  for (const name of [
    'src',
    'test/verity/guest.ts',
    'package.json',
    'node_modules/koffi',
    'node_modules/@koromix',
  ]) {
    cpSync(path.join(repository, name), path.join(directory, name), { recursive: true });
  }
  const loader = libraries.map(library => path.basename(library)).find(name => name.startsWith('ld-'))!;
  return [`/shale/lib/${loader}`, '--library-path', '/shale/lib', '/shale/node'];
}

// This machine's kernel may have no fs-verity; Debian's, which zones run, has it.
test('Linux enables fs-verity with the digest that we expect, and finds a flipped bit', {
  skip,
  timeout: 180_000,
}, async () => {
  using machines = await createMachines('qemu');
  const directory = machines.file('shale');
  const node = copyNode(directory);
  const disk = machines.file('disk');
  writeFileSync(disk, '');
  truncateSync(disk, 64 * 2 ** 20);
  execFileSync('mkfs.ext4', ['-q', '-b', '4096', '-O', 'verity', disk]);
  const run = (...command: string[]) =>
    machines.shale([
      ...['run', '--rm', '--memory', '700M', '--boot-timeout', '60s'],
      ...['-v', `${directory}:/shale:ro`, '-v', `${disk}:/data`, 'cache:app', '--', ...command],
    ]);
  const { status, stdout, stderr } = await run(...node, '/shale/test/verity/guest.ts', '/data');
  assert.equal(status, 0, stderr);
  const { results, wrong, busy } = JSON.parse(stdout.toString());
  const done = { fsverity: { done: true }, immutable: { done: true } };
  assert.equal(results.length, 6);
  for (const { size, ...result } of results) {
    assert.deepEqual(
      result,
      { sealed: [done, done, done], removed: 'EPERM', unsealed: { done: true }, opened: 'EPERM' },
      `${size} bytes`,
    );
  }
  assert.equal(wrong, 'corrupt');
  assert.deepEqual(busy, {
    ...done,
    fsverity: { done: false, reason: 'somebody has the file open for writing' },
  });

  // Below the filesystem: in the largest file, past its first pages.
  const right = await run('wc', '-c', '/data/3000000');
  assert.match(right.stdout.toString(), /^3000000 /);
  const bytes = readFileSync(disk);
  bytes[bytes.lastIndexOf('what a zone seals, ')]! ^= 1;
  writeFileSync(disk, bytes);
  const damaged = await run('sh', '-c', 'for f in /data/[0-9]*; do cat $f > /dev/null || echo $f; done');
  assert.match(damaged.stdout.toString(), /^\/data\/\d+\n$/, 'exactly one file cannot be read any more');
  assert.match(damaged.stderr, /Input\/output error|I\/O error/);
});
