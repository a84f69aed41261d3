import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { identifyProcess } from '../../../src/host/index.ts';
import { createJournal } from '../../../src/zone/disk/journal.ts';
import { hasMachine, journalFile, type StoredZone, Zones } from '../../../src/zone/index.ts';
import type { NewZone } from '../../../src/zone/state/index.ts';

function createZones(context: TestContext): { zones: Zones; root: string } {
  const root = mkdtempSync(join(tmpdir(), 'shale-zones-'));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  return { zones: new Zones(root), root };
}

const wanted: NewZone = {
  image: { reference: 'app', manifest: 'sha256:0', config: 'sha256:1' },
  ...{ command: ['true'], user: '', stopSignal: 'SIGTERM', memory: 2 ** 29, cpus: 1, network: 'none' },
  ...{ terminal: false, interactive: false, kernel: 'k', warm: false, verity: false, scratch: false },
  ...{ tmpfs: [], remove: false },
};

/** A process that stands for a machine, or for a launcher. */
function startProcess(context: TestContext) {
  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  context.after(() => child.kill('SIGKILL'));
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()));
  return { identity: identifyProcess(child.pid!)!, kill: () => child.kill('SIGKILL'), ended };
}

async function createStarted(
  context: TestContext,
  zones: Zones,
  extra: Partial<NewZone> = {},
): Promise<StoredZone> {
  const zone = await zones.create({ ...wanted, ...extra });
  await createJournal(join(zone.directory, journalFile));
  const { identity } = startProcess(context);
  zones.claimMachine(zone.record.id, { vmm: 'qemu', process: identity, channels: 4 });
  return zones.find(zone.record.id);
}

test('a zone keeps the volumes that it has claimed when its machine is there', async context => {
  const { zones } = createZones(context);
  const { record } = await zones.create(wanted);
  await zones.claim(record.id, [{ file: '/disk', path: '/data', readOnly: false }], () => {});
  const { identity } = startProcess(context);
  zones.claimMachine(record.id, { vmm: 'qemu', process: identity, channels: 4 });
  assert.deepEqual(zones.find(record.id).record.volumes, [{ file: '/disk', path: '/data', readOnly: false }]);
});

test('a machine whose launcher was killed before it asked for the workload is ended, and then swept', async context => {
  const { zones } = createZones(context);
  const zone = await createStarted(context, zones, { remove: true });
  zones.sweep();
  assert.ok(hasMachine(zone.record), 'its launcher is at it');
  const launcher = startProcess(context);
  zones.update(zone.record.id, record => ({ ...record, launcher: launcher.identity }));
  launcher.kill();
  await launcher.ended;
  for (let turn = 0; turn < 200 && zones.all().length > 0; turn += 1) {
    zones.sweep();
    await new Promise(next => setTimeout(next, 5));
  }
  assert.deepEqual(zones.all(), []);
  assert.ok(!hasMachine(zone.record));
});

test('a zone that was killed or removed while it came up gets no other machine', async context => {
  const { zones } = createZones(context);
  const { identity } = startProcess(context);
  const machine = { vmm: 'qemu', process: identity, channels: 4 } as const;
  const killed = await zones.create(wanted);
  zones.update(killed.record.id, record => ({
    ...record,
    end: { ended: new Date().toISOString(), reason: 'killed', killed: true },
  }));
  assert.throws(() => zones.claimMachine(killed.record.id, machine), { code: 'cancelled' });
  const removed = await zones.create(wanted);
  zones.remove(removed.record.id);
  assert.throws(() => zones.claimMachine(removed.record.id, machine), { code: 'cancelled' });
});

test('what a crash has left of making and removing zones goes when one is made', async context => {
  const { zones, root } = createZones(context);
  mkdirSync(join(root, 'zones', '0123456789ab', 'run'), { recursive: true });
  mkdirSync(join(root, 'zones', '0123456789ac.removed', 'run'), { recursive: true });
  const { record } = await zones.create(wanted);
  assert.deepEqual(readdirSync(join(root, 'zones')).sort(), ['.lock', record.id].sort());
});

test('a zone has a name of its own, given or not', async context => {
  const { zones } = createZones(context);
  await zones.create({ ...wanted, name: 'mine' });
  await assert.rejects(zones.create({ ...wanted, name: 'mine' }), { code: 'exists' });
  const names = new Set<string>();
  for (let count = 0; count < 20; count += 1) names.add((await zones.create(wanted)).record.name);
  assert.equal(names.size, 20);
});
