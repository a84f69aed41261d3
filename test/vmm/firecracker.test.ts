/** Against a scripted stand-in (`fake/firecracker.ts`), not against Firecracker: no guest runs here. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vmmDriver } from '../../src/vmm/index.ts';
import { openWorkshop, testApiDriver, withMachine } from './api-drivers.ts';
import { readNotes } from './fake/install.ts';

testApiDriver({
  name: 'firecracker',
  title: 'Firecracker',
  start: 'PUT /actions',
  configure: 'PUT /machine-config',
  fault: text => JSON.stringify({ fault_message: text }),
  restore: 'PUT /snapshot/load',
  versions: { tooOld: '1.7.0', other: '1.16.2' },
});

test('what Firecracker is asked, in order', async () => {
  using workshop = openWorkshop();
  const disks = [
    { path: workshop.file('a', 'a'), readOnly: true },
    { path: workshop.file('b', 'b'), readOnly: false },
  ];
  const options = workshop.options({ disks, memory: 200 * 1024 * 1024 + 1 });
  await withMachine('firecracker', options, async () => {
    const requests = readNotes(options.directory).filter(note => note.method !== undefined);
    assert.deepEqual(
      requests.map(({ method, path }) => `${method} ${path}`),
      [
        'GET /version',
        'PUT /machine-config',
        'PUT /boot-source',
        'PUT /drives/disk0',
        'PUT /drives/disk1',
        'PUT /vsock',
        'PUT /actions',
      ],
    );
    const bodies = requests.map(({ body }) => body ?? {});
    assert.deepEqual(bodies[1], { vcpu_count: 2, mem_size_mib: 201 });
    assert.deepEqual([bodies[3]!.is_read_only, bodies[4]!.is_read_only], [true, false]);
    assert.equal(bodies[4]!.cache_type, 'Writeback', 'a flush of a volume is one');
    const words = String(bodies[2]!.boot_args).split(' ');
    for (const word of ['console=ttyS0', 'reboot=k', 'panic=-1', 'pci=off', 'shale.off=reboot']) {
      assert.ok(words.includes(word), word);
    }
    assert.equal(words.at(-1), 'shale.test=1');
    assert.ok(!words.includes('nomodule') && !words.some(word => word.startsWith('root=')));
  });
});

test('modules, channels and disks by name', async () => {
  const driver = await vmmDriver('firecracker');
  assert.deepEqual(driver.modules({ network: 'none' }), [
    'virtio_mmio',
    'virtio_blk',
    'vmw_vsock_virtio_transport',
  ]);
  assert.equal(driver.channelArgument(8), 'vsock:1024');
  assert.deepEqual([driver.deviceName(0), driver.deviceName(25)], ['vda', 'vdz']);
});

test('more than 32 processors', async () => {
  using workshop = openWorkshop();
  await assert.rejects(
    withMachine('firecracker', workshop.options({ cpus: 33 }), async () => {}),
    { code: 'invalid' },
  );
});
