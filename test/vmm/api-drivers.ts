import assert from 'node:assert/strict';
import { accessSync, constants, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectUnixSocket } from '../../src/host/index.ts';
import {
  type ByteChannel,
  type Machine,
  type MachineOptions,
  VmmError,
  type VmmName,
  vmmDriver,
} from '../../src/vmm/index.ts';
import { requires } from '../requirement.ts';
import { readNotes, Workshop } from './fake/install.ts';

const mebibyte = 1024 * 1024;

/** What the two drivers are asked to do differs in words only; here is what they are called. */
export interface Peculiarities {
  readonly name: VmmName;
  readonly title: string;
  /** The request that starts the guest, one of the configuration before it, and how an error looks in a body. */
  readonly start: string;
  readonly configure: string;
  readonly fault: (text: string) => string;
  readonly restore: string;
  readonly versions: { readonly tooOld: string; readonly other: string };
}

/** A workshop and what a machine wants. */
export function openWorkshop(): Workshop & { options(more?: Partial<MachineOptions>): MachineOptions } {
  const workshop = new Workshop();
  const vmlinux = workshop.file('vmlinux', '\x7fELF and so on');
  const initramfs = workshop.file('initramfs', '070701');
  return Object.assign(workshop, {
    options: (more: Partial<MachineOptions> = {}): MachineOptions => ({
      directory: workshop.directory(),
      kernel: { vmlinux },
      initramfs,
      commandLine: ['shale.test=1'],
      memory: 256 * mebibyte,
      cpus: 2,
      disks: [],
      network: 'none',
      channels: 8,
      ...more,
    }),
  });
}

/** Runs `use` with a machine, and leaves no process behind. */
export async function withMachine(
  name: VmmName,
  options: MachineOptions,
  use: (machine: Machine) => Promise<void>,
): Promise<void> {
  const machine = await (await vmmDriver(name)).start(options);
  try {
    await use(machine);
  } finally {
    await machine.kill();
    machine.detach();
  }
}

const readers = new WeakMap<ByteChannel, AsyncIterator<Uint8Array>>();

/** Says a line to the guest and hears what comes back, up to a line's end. */
export async function converse(channel: ByteChannel, line: string): Promise<string> {
  const reader = readers.get(channel) ?? channel.read()[Symbol.asyncIterator]();
  readers.set(channel, reader);
  await channel.write(Buffer.from(`${line}\n`));
  let heard = '';
  while (!heard.endsWith('\n')) {
    const { value, done } = await reader.next();
    if (done) break;
    heard += Buffer.from(value).toString();
  }
  return heard.trimEnd();
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > 5000) assert.fail(`never: ${what}`);
    await sleep(5);
  }
}

/** An error of the driver with that code, whose message and detail say all of `parts`. */
export const failure =
  (code: string, ...parts: RegExp[]) =>
  (error: unknown) => {
    assert.ok(error instanceof VmmError, `${error}`);
    assert.equal(error.code, code, error.message);
    for (const part of parts)
      assert.match(`${error.message} ${JSON.stringify(error.detail)} ${error.hint}`, part);
    return true;
  };

/** The laws of both drivers, against their fakes. */
export function testApiDriver({
  name,
  title,
  start,
  configure,
  fault,
  restore,
  versions,
}: Peculiarities): void {
  const startMachine = async (options: MachineOptions) => (await vmmDriver(name)).start(options);
  const fails = async (options: MachineOptions, ...expected: Parameters<typeof failure>) => {
    await assert.rejects(startMachine(options), failure(...expected));
    assert.ok(!(await answers(options.directory)), 'the process is still there');
  };

  test('a machine boots, its guest is heard and spoken to, and it is cut off', async () => {
    using workshop = openWorkshop();
    await withMachine(name, workshop.options(), async machine => {
      await until(() => machine.console.text.includes('shale.test=1'), 'the console');
      assert.match(machine.console.text, /\bshale\.channels=vsock:1024\b/);
      using channel = await machine.connect(0);
      assert.equal(await converse(channel, 'are you there?'), 'are you there?');
      await machine.kill();
      const end = await machine.ended;
      assert.deepEqual([end.status, end.signal], [undefined, 'SIGKILL']);
      await assert.rejects(machine.connect(0), failure('unavailable', /has ended/));
    });
  });

  test('many channels at once, each by itself', async () => {
    using workshop = openWorkshop();
    await withMachine(name, workshop.options(), async machine => {
      const said = await Promise.all(
        Array.from({ length: 12 }, async (_, index) => {
          using channel = await machine.connect(index);
          return await converse(channel, `conversation ${index}`);
        }),
      );
      assert.deepEqual(
        said,
        Array.from({ length: 12 }, (_, index) => `conversation ${index}`),
      );
    });
  });

  test('a guest that is slow to listen is asked again', async () => {
    using workshop = openWorkshop();
    workshop.script({ listenAfter: 400 });
    await withMachine(name, workshop.options(), async machine => {
      using channel = await machine.connect(0);
      assert.equal(await converse(channel, 'late'), 'late');
    });
  });

  test('a connection that is never answered is given up and made anew', async () => {
    using workshop = openWorkshop();
    workshop.script({ deafTo: 1 });
    await withMachine(name, workshop.options(), async machine => {
      using channel = await machine.connect(0, { timeout: 10_000 });
      assert.equal(await converse(channel, 'again'), 'again');
    });
  });

  test('a guest that never listens: the time limit, the end of the machine, and the caller end the wait', async () => {
    using workshop = openWorkshop();
    workshop.script({ listenAfter: 60_000 });
    await withMachine(name, workshop.options(), async machine => {
      await assert.rejects(
        machine.connect(0, { timeout: 100 }),
        failure('unavailable', /does not answer within 0.1 s/),
      );
      await assert.rejects(machine.connect(0, { signal: AbortSignal.timeout(50) }), failure('cancelled'));
      const waiting = assert.rejects(machine.connect(0), failure('unavailable', /has ended/));
      await sleep(30);
      await machine.kill();
      await waiting;
    });
  });

  test('what is no answer of a vsock is an error', async () => {
    using workshop = openWorkshop();
    workshop.script({ greeting: 'HTTP/1.1 400' });
    await withMachine(name, workshop.options(), async machine => {
      await assert.rejects(machine.connect(0), failure('unavailable', /HTTP\/1\.1 400/));
    });
  });

  test('disks come in order, read-only ones are, and no path of the host is said', async () => {
    using workshop = openWorkshop();
    const disks = [
      { path: workshop.file('image.squashfs', 'the image'), readOnly: true },
      { path: workshop.file('scratch.ext4', 'scratch', 0o600), readOnly: false },
      { path: workshop.file('more', 'a volume', 0o444), readOnly: true },
    ];
    const options = workshop.options({ disks });
    await withMachine(name, options, async () => {
      const notes = readNotes(options.directory);
      const seen = notes
        .filter(note => note.drive !== undefined)
        .map(({ drive, start: text }) => [drive, text]);
      assert.deepEqual(seen, [
        ['disk0', 'the image'],
        ['disk1', 'scratch'],
        ['disk2', 'a volume'],
      ]);
      const said = JSON.stringify(notes);
      assert.ok(!said.includes(workshop.path), 'a path of the host was said');
      assert.ok(!said.includes('fault'), said);
    });
  });

  test('a path too long for a socket address', async () => {
    using workshop = openWorkshop();
    const options = workshop.options({
      directory: workshop.directory(`${'d'.repeat(100)}/${'e'.repeat(100)}`),
    });
    await withMachine(name, options, async machine => {
      using channel = await machine.connect(0);
      assert.equal(await converse(channel, 'far'), 'far');
    });
  });

  test('a machine is found again by its record, and is gone when it is gone', async () => {
    using workshop = openWorkshop();
    const driver = await vmmDriver(name);
    const options = workshop.options();
    await withMachine(name, options, async machine => {
      machine.detach();
      const record = JSON.parse(JSON.stringify(machine.record)) as typeof machine.record;
      const found = driver.find(record, options.directory);
      assert.ok(found);
      using channel = await found.connect(3);
      assert.equal(await converse(channel, 'found'), 'found');
      await found.kill();
      assert.deepEqual(await found.ended, { status: undefined, signal: undefined, stderr: '' });
      assert.equal(driver.find(record, options.directory), undefined);
      found.detach();
    });
  });

  test('floods of the console are cut, and hold nobody up', async () => {
    using workshop = openWorkshop();
    await withMachine(name, workshop.options(), async machine => {
      using channel = await machine.connect(0);
      assert.equal(await converse(channel, 'flood 4096'), 'flooded');
      await channel.write(Buffer.from('print the last words\n'));
      await until(() => machine.console.text.includes('the last words'), 'the last words');
      assert.ok(machine.console.bytes.length <= 65536);
    });
  });

  test('a console that nobody reads any more holds nobody up', async () => {
    using workshop = openWorkshop();
    const driver = await vmmDriver(name);
    const options = workshop.options();
    await withMachine(name, options, async machine => {
      machine.detach();
      const found = driver.find(machine.record, options.directory)!;
      found.detach();
      using channel = await found.connect(0);
      assert.equal(await converse(channel, 'flood 4096'), 'flooded');
    });
  });

  test('a guest that panics ends the machine, and its last words are there', async () => {
    using workshop = openWorkshop();
    await withMachine(name, workshop.options(), async machine => {
      using channel = await machine.connect(0);
      await channel.write(Buffer.from('panic\n'));
      await machine.ended;
      await until(() => machine.console.text.includes('Kernel panic'), 'the last words');
    });
  });

  test('a refusal says what was asked and why', async () => {
    using workshop = openWorkshop();
    workshop.script({ refuse: { [configure]: [400, fault('No such thing as this (os error 13)')] } });
    await fails(
      workshop.options(),
      'denied',
      new RegExp(configure.replace('/', '\\/')),
      /No such thing as this/,
    );
    workshop.script({ refuse: { [start]: [500, 'no JSON at all'] } });
    await fails(workshop.options(), 'unavailable', /no JSON at all/, new RegExp(title));
  });

  test('a hypervisor that dies: its words are in the error', async () => {
    using workshop = openWorkshop();
    workshop.script({ stillborn: 'Cannot open /dev/kvm' });
    await fails(workshop.options(), 'unavailable', /Cannot open \/dev\/kvm/);
    workshop.script({ dieAt: { [start]: 'thread main panicked' } });
    await fails(workshop.options(), 'unavailable', /thread main panicked/, new RegExp(start.split(' ')[1]!));
  });

  test('a hypervisor that hangs is given up by the caller’s signal', async () => {
    using workshop = openWorkshop();
    workshop.script({ hang: [start] });
    await fails(workshop.options({ signal: AbortSignal.timeout(500) }), 'cancelled');
    workshop.script({ mute: true });
    await fails(workshop.options({ signal: AbortSignal.timeout(500) }), 'cancelled');
  });

  test('what it cannot do is said before anything is started', async () => {
    using workshop = openWorkshop();
    await fails(workshop.options({ network: 'user' }), 'unsupported', /tap device/, /--network none/);
    await fails(workshop.options({ kernel: { bzImage: '/boot/vmlinuz' } }), 'unsupported', /vmlinux/);
    await fails(workshop.options({ cpus: 0 }), 'invalid', /0/);
    const disks = Array.from({ length: 30 }, () => ({ path: '/dev/null', readOnly: true }));
    await fails(workshop.options({ disks }), 'exhausted', /at most/);
    workshop.remove(name);
    await fails(workshop.options(), 'unsupported', /not installed/, /--vmm qemu/);
  });

  test('a version that is too old is refused, at a probe and at a start', async () => {
    using workshop = openWorkshop();
    workshop.script({ version: versions.tooOld });
    await fails(workshop.options(), 'unsupported', /too old/);
    const probe = await (await vmmDriver(name)).probe();
    assert.deepEqual([probe.usable, probe.version], [false, versions.tooOld]);
    assert.match(probe.reason ?? '', /too old/);
  });

  test('a probe names the program and its version, and with a kernel it boots', async () => {
    using workshop = openWorkshop();
    const driver = await vmmDriver(name);
    const { kernel, initramfs } = workshop.options();
    const plain = await driver.probe();
    assert.equal(plain.program, join(workshop.path, 'bin', name));
    assert.equal(plain.usable, hasKvm(), plain.reason);
    if (!plain.usable) return;
    assert.deepEqual(await driver.probe({ kernel, initramfs }), {
      usable: true,
      acceleration: 'kvm',
      program: plain.program,
      version: plain.version,
    });
    workshop.script({ refuse: { [start]: [400, fault('KVM is not what it was')] } });
    const refused = await driver.probe({ kernel, initramfs });
    assert.equal(refused.usable, false);
    assert.match(refused.reason ?? '', /KVM is not what it was/);
    workshop.remove(name);
    assert.match((await driver.probe()).reason ?? '', /not installed/);
  });

  test('a machine is saved, and machines start from what was saved, in other directories', async () => {
    using workshop = openWorkshop();
    const disks = [{ path: workshop.file('image', 'the image'), readOnly: true }];
    const kept = workshop.directory();
    const first = workshop.options({ disks, keepMemory: join(kept, 'memory') });
    let state: Awaited<ReturnType<NonNullable<Machine['save']>>> | undefined;
    await withMachine(name, first, async machine => {
      using channel = await machine.connect(0);
      assert.equal(await converse(channel, 'before'), 'before');
      state = JSON.parse(JSON.stringify(await machine.save!({ directory: kept }))) as typeof state;
    });
    assert.ok(state);
    rmSync(first.directory, { recursive: true });
    const moved = `${kept}-moved`;
    renameSync(kept, moved);
    const saved = { ...state, directory: moved };
    for (let index = 0; index < 2; index += 1) {
      const again = workshop.options({ disks, restore: saved });
      await withMachine(name, again, async machine => {
        using channel = await machine.connect(0);
        assert.equal(await converse(channel, 'after'), 'after');
        assert.ok(!JSON.stringify(readNotes(again.directory)).includes(workshop.path));
        await channel.write(Buffer.from('panic\n'));
        await machine.ended;
      });
    }
    workshop.script({ version: versions.other });
    await fails(workshop.options({ disks, restore: saved }), 'unsupported', /cannot restore/);
    workshop.script({ refuse: { [restore]: [400, fault('the state is damaged')] } });
    await fails(workshop.options({ disks, restore: saved }), 'unavailable', /the state is damaged/);
  });

  test('a machine that was not meant to be saved cannot be', async () => {
    using workshop = openWorkshop();
    await withMachine(name, workshop.options(), async machine => assert.equal(machine.save, undefined));
  });

  test('as another user: its directory and its writable disks are that user’s, no other right is needed', {
    skip: requires({ root: true }),
  }, async () => {
    using workshop = openWorkshop();
    const user = { uid: 64_123, gid: 64_123 };
    const secret = workshop.file('secret', 'closed image', 0o600);
    const scratch = workshop.file('scratch', 'scratch', 0o600);
    const disks = [
      { path: secret, readOnly: true },
      { path: scratch, readOnly: false },
    ];
    const options = workshop.options({ disks, user });
    await withMachine(name, options, async machine => {
      using channel = await machine.connect(0);
      assert.equal(await converse(channel, 'unprivileged'), 'unprivileged');
      const { uid } = statSync(join(`/proc/${machine.record.process.pid}`));
      assert.equal(uid, user.uid);
      assert.equal(statSync(secret).uid, 0, 'a disk that others share keeps its owner');
      assert.equal(statSync(scratch).uid, user.uid);
    });
  });

  test('nothing is left: neither processes nor open files', async () => {
    using workshop = openWorkshop();
    const open = () => readdirSync('/proc/self/fd').length;
    await withMachine(name, workshop.options(), async () => {});
    const before = open();
    for (let index = 0; index < 3; index += 1) {
      await withMachine(name, workshop.options({ keepMemory: 'x' }), async machine => {
        using channel = await machine.connect(0);
        assert.equal(await converse(channel, 'x'), 'x');
      });
    }
    await until(() => open() <= before, 'open files go away');
  });
}

function hasKvm(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK + constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Waits until somebody listens on the API's socket. */
export async function untilListening(directory: string): Promise<void> {
  while (!(await answers(directory))) await sleep(5);
}

async function answers(directory: string): Promise<boolean> {
  try {
    (await connectUnixSocket(directory, 'api.sock')).destroy();
    return true;
  } catch {
    return false;
  }
}
