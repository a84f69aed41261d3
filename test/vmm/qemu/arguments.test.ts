import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type QemuArguments, qemuArguments } from '../../../src/vmm/qemu/arguments.ts';

const plain: QemuArguments = {
  memory: 256 * 2 ** 20,
  cpus: 2,
  channels: 8,
  network: 'none',
  disks: [
    { descriptor: 3, readOnly: true },
    { descriptor: 4, readOnly: false },
  ],
  publish: [],
  boot: { kernel: '/proc/self/fd/5', initramfs: '/proc/self/fd/6', commandLine: 'console=ttyS0' },
  memoryFile: undefined,
  restored: false,
};

/** The values of an option, in order. */
const valuesOf = (all: readonly string[], option: string) =>
  all.flatMap((word, index) => (word === option ? [all[index + 1]!] : []));

test('disks are descriptors, each on a transport of its own, in their order', () => {
  const all = qemuArguments(plain);
  assert.deepEqual(valuesOf(all, '-add-fd'), ['fd=3,set=0', 'fd=4,set=1']);
  const disks = valuesOf(all, '-blockdev');
  assert.match(disks[0]!, /filename=\/dev\/fdset\/0\b.*read-only=on/);
  assert.match(disks[1]!, /filename=\/dev\/fdset\/1\b.*read-only=off/);
  const buses = valuesOf(all, '-device').map(device => /bus=virtio-mmio-bus\.(\d+)/.exec(device)?.[1]);
  const taken = buses.filter(bus => bus !== undefined);
  assert.equal(new Set(taken).size, taken.length);
  assert.ok(Number(buses[0]) > Number(buses[1]), 'Linux finds the highest first');
  assert.ok(!taken.includes('0'), 'whose interrupt never arrives');
});

test('it is always in the sandbox, without a default device, and ends when the guest restarts', () => {
  for (const machine of ['microvm', 'q35'] as const) {
    for (const acceleration of ['kvm', 'tcg'] as const) {
      const all = qemuArguments({ ...plain, machine, acceleration });
      for (const flag of ['-nodefaults', '-no-user-config', '-no-reboot']) assert.ok(all.includes(flag));
      const [sandbox] = valuesOf(all, '-sandbox');
      for (const word of [
        'on',
        'obsolete=deny',
        'elevateprivileges=deny',
        'spawn=deny',
        'resourcecontrol=deny',
      ]) {
        assert.ok(sandbox!.split(',').includes(word), word);
      }
      assert.deepEqual(valuesOf(all, '-accel'), [acceleration]);
    }
  }
});

test('nobody has to be at the other end of a socket, and each is a name in the working directory', () => {
  const sockets = valuesOf(qemuArguments(plain), '-chardev');
  assert.equal(sockets.length, 10);
  for (const socket of sockets) {
    assert.match(socket, /server=on/);
    assert.match(socket, /wait=off/);
    assert.match(socket, /path=[\w-]+(,|$)/);
  }
  assert.match(sockets.at(-1)!, /id=monitor/, 'the last one tells that all are there');
});

test('there is a port for each channel, and no network unless it is asked for', () => {
  const all = qemuArguments({ ...plain, channels: 3 });
  const ports = valuesOf(all, '-device').filter(device => device.startsWith('virtserialport'));
  assert.deepEqual(
    ports.map(port => /name=([\w.]+)/.exec(port)?.[1]),
    ['shale.0', 'shale.1', 'shale.2'],
  );
  assert.ok(!all.join(' ').includes('net'));
  assert.match(qemuArguments({ ...plain, network: 'user' }).join(' '), /-netdev user,.*virtio-net-device/);
});

test('a published port is numbers and an address, and nothing else gets through', () => {
  const port = { host: '127.0.0.1', hostPort: 8080, guestPort: 80, protocol: 'tcp' } as const;
  const publish = (more: object) =>
    qemuArguments({ ...plain, network: 'user', publish: [{ ...port, ...more }] });
  assert.match(publish({}).join(' '), /hostfwd=tcp:127\.0\.0\.1:8080-:80\b/);
  for (const more of [
    { host: '127.0.0.1,guestfwd=tcp::1-cmd:sh' },
    { host: 'localhost' },
    { host: '' },
    { host: '::1' },
    { hostPort: 0 },
    { hostPort: 65536 },
    { guestPort: 1.5 },
    { guestPort: Number.NaN },
  ]) {
    assert.throws(() => publish(more), { name: 'VmmError', code: 'invalid' }, JSON.stringify(more));
  }
});

test('a state that is restored boots nothing, and its memory is mapped privately', () => {
  const all = qemuArguments({
    ...plain,
    boot: undefined,
    restored: true,
    memoryFile: { path: '/proc/self/fd/7', share: false },
  });
  assert.ok(!all.includes('-kernel') && !all.includes('-append') && !all.includes('-initrd'));
  assert.deepEqual(valuesOf(all, '-incoming'), ['defer']);
  assert.match(valuesOf(all, '-object')[0]!, /share=off/);
  const kept = qemuArguments({ ...plain, memoryFile: { path: '/proc/self/fd/7', share: true } });
  assert.match(valuesOf(kept, '-object')[0]!, /share=on/);
});
