/** Against a scripted stand-in (`fake/cloud-hypervisor.ts`), not against Cloud Hypervisor: no guest runs here. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { vmmDriver } from '../../src/vmm/index.ts';
import { converse, openWorkshop, testApiDriver, until, withMachine } from './api-drivers.ts';
import { readNotes } from './fake/install.ts';

testApiDriver({
  name: 'cloud-hypervisor',
  title: 'Cloud Hypervisor',
  start: 'PUT /api/v1/vm.boot',
  configure: 'PUT /api/v1/vm.create',
  fault: text => JSON.stringify(['Error from API', text]),
  restore: 'PUT /api/v1/vm.restore',
  versions: { tooOld: '36.0', other: '53.1' },
});

test('what Cloud Hypervisor is asked, in order', async () => {
  using workshop = openWorkshop();
  const disks = [
    { path: workshop.file('a', 'a'), readOnly: true },
    { path: workshop.file('b', 'b'), readOnly: false },
  ];
  const options = workshop.options({ disks });
  await withMachine('cloud-hypervisor', options, async () => {
    const requests = readNotes(options.directory).filter(note => note.method !== undefined);
    assert.deepEqual(
      requests.map(({ method, path }) => `${method} ${path}`),
      ['GET /api/v1/vmm.ping', 'PUT /api/v1/vm.create', 'PUT /api/v1/vm.boot'],
    );
    const { body } = requests[1]!;
    assert.deepEqual(body!.cpus, { boot_vcpus: 2, max_vcpus: 2 });
    assert.deepEqual(body!.memory, { size: 256 * 1024 * 1024 });
    const described = body!.disks as { readonly: boolean; image_type: string }[];
    assert.deepEqual(
      described.map(disk => [disk.readonly, disk.image_type]),
      [
        [true, 'Raw'],
        [false, 'Raw'],
      ],
    );
    assert.equal(body!.net, undefined);
  });
});

test('a guest that resets is not booted again', async () => {
  using workshop = openWorkshop();
  const options = workshop.options();
  await withMachine('cloud-hypervisor', options, async machine => {
    assert.ok(!existsSync(join(options.directory, 'kernel')));
    using channel = await machine.connect(0);
    await channel.write(Buffer.from('reset\n'));
    const { status, stderr } = await machine.ended;
    assert.equal(status, 1);
    assert.match(stderr, /kernel/);
    assert.ok(!machine.console.text.includes('booted again'));
  });
});

test('a guest that powers off ends the machine', async () => {
  using workshop = openWorkshop();
  await withMachine('cloud-hypervisor', workshop.options(), async machine => {
    using channel = await machine.connect(0);
    await channel.write(Buffer.from('poweroff\n'));
    assert.equal((await machine.ended).status, 0);
  });
});

test('the console of a machine that was found again', async () => {
  using workshop = openWorkshop();
  const driver = await vmmDriver('cloud-hypervisor');
  const options = workshop.options();
  await withMachine('cloud-hypervisor', options, async machine => {
    machine.detach();
    const found = driver.find(machine.record, options.directory)!;
    using channel = await found.connect(0);
    await channel.write(Buffer.from('print heard by another\n'));
    await until(() => found.console.text.includes('heard by another'), 'the console');
    assert.equal(await converse(channel, 'x'), 'x');
    found.detach();
  });
});

test('memory that is no whole number of large pages, modules, channels and disks by name', async () => {
  using workshop = openWorkshop();
  const options = workshop.options({ memory: 100_000_000 });
  await assert.rejects(
    withMachine('cloud-hypervisor', options, async () => {}),
    { code: 'invalid' },
  );
  const driver = await vmmDriver('cloud-hypervisor');
  assert.deepEqual(driver.modules({ network: 'none' }), [
    'virtio_pci',
    'virtio_blk',
    'vmw_vsock_virtio_transport',
  ]);
  assert.equal(driver.channelArgument(8), 'vsock:1024');
});
