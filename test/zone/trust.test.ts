/** What a zone on QEMU does not let happen: changed images, guests that end badly, states that are alike, traces on the host. */
import assert from 'node:assert/strict';
import { globSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createMachines, type Machines, requiresMachine } from './machine-fixture.ts';

describe('trust in zones', { skip: requiresMachine('qemu') }, () => {
  let machines: Machines;
  before(async () => {
    machines = await createMachines('qemu');
  });
  after(() => machines[Symbol.dispose]());
  const run = async (...args: string[]) => {
    const { status, stdout, stderr } = await machines.shale(['run', '--rm', ...args]);
    return { status, out: stdout.toString(), err: stderr };
  };

  test('with --verity a disk that was changed is refused, or fails where it was changed', async () => {
    const whole = await run('--verity', 'cache:app', '--', 'md5sum', '/bin/busybox');
    assert.equal(whole.status, 0, whole.err);
    const [artifact] = globSync('artifacts/*.sqfs', { cwd: machines.root });
    const file = path.join(machines.root, artifact!);
    const bytes = readFileSync(file);
    const flip = (offset: number) => {
      const changed = Buffer.from(bytes);
      changed[offset]! ^= 1;
      writeFileSync(file, changed);
    };
    flip(40);
    const superblock = await run('--verity', 'cache:app', '--', 'true');
    assert.equal(superblock.status, 8, superblock.err);
    // The first blocks hold the one large file there is; its reader gets an error, never other bytes.
    flip(4096 * 20 + 17);
    const content = await run('--verity', 'cache:app', '--', 'md5sum', '/bin/busybox');
    assert.notEqual(content.status, 0);
    assert.ok(!content.out.includes('/bin/busybox'), content.out);
    writeFileSync(file, bytes);
  });

  test('an EROFS is the same disk, and is trusted no more than a squashfs', async () => {
    const squashfs = await run('cache:app', '--', 'md5sum', '/bin/busybox');
    const erofs = () => run('--format', 'erofs', '--verity', 'cache:app', '--', 'md5sum', '/bin/busybox');
    const whole = await erofs();
    assert.equal(whole.status, 0, whole.err);
    assert.equal(whole.out, squashfs.out);
    const [artifact] = globSync('artifacts/*.erofs', { cwd: machines.root });
    const file = path.join(machines.root, artifact!);
    const bytes = readFileSync(file);
    const changed = Buffer.from(bytes);
    changed[4096 * 20 + 17]! ^= 1;
    writeFileSync(file, changed);
    const content = await erofs();
    assert.notEqual(content.status, 0);
    assert.ok(!content.out.includes('/bin/busybox'), content.out);
    writeFileSync(file, bytes);
  });

  test('zones out of one saved state have their own randomness, names and time', async () => {
    const show =
      'cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; hostname; head -c 16 /dev/urandom | md5sum; date +%s; ls /tmp; touch /tmp/trace';
    await run('--warm', 'cache:app', '--', 'true');
    const [state] = globSync('warm/*/*/state.json', { cwd: machines.root });
    assert.ok(state, 'no state was saved');
    const zones = [
      await run('--warm', 'cache:app', '--', 'sh', '-c', show),
      await run('--warm', 'cache:app', '--', 'sh', '-c', show),
    ];
    const lines = zones.map(({ status, out, err }) => {
      assert.equal(status, 0, err);
      return out.trimEnd().split('\n');
    });
    for (let line = 0; line < 4; line += 1) assert.notEqual(lines[0]![line], lines[1]![line], `line ${line}`);
    for (const line of lines) {
      assert.equal(line.length, 5, `traces of another zone: ${line.slice(5)}`);
      assert.ok(Math.abs(Number(line[4]) - Date.now() / 1000) < 30, line[4]);
    }
    // Both came out of it: it is the one of the first launch still.
    assert.deepEqual(globSync('warm/*/*/state.json', { cwd: machines.root }), [state]);
  });

  test('a guest that panics is told of, with its last words', async () => {
    const { status, err } = await run('cache:app', '--', 'sh', '-c', 'echo c > /proc/sysrq-trigger');
    assert.equal(status, 11, err);
    assert.match(err, /ended.*panic/i);
  });

  test('a flood of the console fills neither memory nor disk', async () => {
    const flood =
      'i=0; while [ $i -lt 3000 ]; do echo "<0>noise $i $(seq 1 40)" > /dev/kmsg; i=$((i+1)); done; echo done';
    const { status, out, err } = await run('--name', 'flood', 'cache:app', '--', 'sh', '-c', flood);
    assert.equal(status, 0, err);
    assert.equal(out, 'done\n');
  });

  test('a kernel that does not come up is tried twice, within its time', async () => {
    const started = performance.now();
    const { status, err } = await run(
      '--boot-timeout',
      '2s',
      '--kernel-args',
      'rdinit=/nothing',
      'cache:app',
      '--',
      'true',
    );
    assert.equal(status, 11, err);
    assert.ok(performance.now() - started < 30_000);
  });

  test('launches leave nothing: no process, no directory, no mount', async () => {
    const mounts = () => readFileSync('/proc/mounts', 'latin1').split('\n').sort();
    const before = mounts();
    for (let launch = 0; launch < 6; launch += 1) {
      const { status, out } = await run('--warm', 'cache:app', '--', 'echo', String(launch));
      assert.deepEqual([status, out], [0, `${launch}\n`]);
    }
    assert.deepEqual(mounts(), before);
    assert.deepEqual(
      readdirSync(path.join(machines.root, 'zones')).filter(name => !name.startsWith('.')),
      [],
    );
    assert.deepEqual(hypervisorsOf(machines.root), []);
    assert.equal(statSync(path.join(machines.root, 'zones')).mode & 0o77, 0);
  });
});

/** Processes whose working directory is a zone of this cache. */
function hypervisorsOf(root: string): string[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(pid => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`).startsWith(root);
      } catch {
        return false;
      }
    });
}
