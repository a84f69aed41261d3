/**
 * A scripted stand-in for Firecracker, which cannot be installed where these tests run: no virtual machine at all. It
 * is written from the published API, not from Shale's driver: bodies are checked strictly against the description,
 * calls against the order that the documentation states, and every path is opened as the real one would open it.
 */
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { firecrackerSchemas } from './firecracker-schema.ts';
import { Guest } from './guest.ts';
import { findFault } from './schema.ts';
import type { Script } from './script.ts';
import { type Answer, note, serve } from './server.ts';

const script = JSON.parse(process.env.FAKE_SCRIPT ?? '{}') as Script;
const version = script.version ?? '1.16.1';
const preBoot = 'The requested operation is not supported before starting the microVM.';
const postBoot = 'The requested operation is not supported after starting the microVM.';

interface Drive {
  readonly drive_id: string;
  readonly path_on_host: string;
  readonly is_read_only?: boolean;
}

interface Device {
  readonly version: string;
  readonly drives: readonly Drive[];
  readonly vsock?: { readonly guest_cid: number; readonly uds_path: string };
  readonly memory: string;
}

let state: 'Not started' | 'Running' | 'Paused' = 'Not started';
let configured = false;
let restoring = false;
let bootSource: { kernel_image_path: string; initrd_path?: string; boot_args?: string } | undefined;
let vsock: Device['vsock'];
const drives: Drive[] = [];
let memory = 'memory of a guest';
let stdout: number;

const guest = new Guest(script, {
  print,
  reset: () => process.exit(0),
  // There is nothing behind ACPI's S5 here: the processors halt, and the process stays.
  powerOff: () => guest.disconnect(),
});

class Fault extends Error {}

function print(text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(stdout, bytes, done);
    } catch (error) {
      // Its standard output does not block: what does not fit is lost.
      if (['EAGAIN', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')) return;
      throw error;
    }
  }
}

function open(path: string, flags: number, what: string): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    const { errno = 0 } = error as NodeJS.ErrnoException;
    throw new Fault(`${what}: cannot open ${path} (os error ${-errno})`);
  }
}

/** Notes what is behind the path, so that a test can see that it is the right file. */
function openDrive(drive: Drive): void {
  const flags = drive.is_read_only ? constants.O_RDONLY : constants.O_RDWR;
  const fd = open(drive.path_on_host, flags, 'Drive config error: Unable to create the virtio block device');
  const start = Buffer.alloc(32);
  const length = readSync(fd, start, 0, 32, 0);
  note({ drive: drive.drive_id, start: start.toString('latin1', 0, length) });
}

function startInstance(): void {
  if (bootSource === undefined)
    throw new Fault('Start microvm error: Cannot start microvm without kernel configuration.');
  const magic = readFileSync(bootSource.kernel_image_path).subarray(0, 4).toString('latin1');
  if (magic !== '\x7fELF')
    throw new Fault('Start microvm error: Cannot load kernel: Invalid Elf magic number');
  state = 'Running';
  if (/\bconsole=ttyS0\b/.test(bootSource.boot_args ?? '')) print(`Command line: ${bootSource.boot_args}\n`);
  guest.run();
}

function createSnapshot({
  snapshot_path,
  mem_file_path,
}: {
  snapshot_path: string;
  mem_file_path: string;
}): void {
  if (state !== 'Paused')
    throw new Fault('Create snapshot error: Cannot save the microVM state: Operation not allowed');
  const device: Device = { version, drives, ...(vsock ? { vsock } : {}), memory };
  writeFileSync(snapshot_path, JSON.stringify(device));
  writeFileSync(mem_file_path, memory);
  guest.disconnect();
}

function loadSnapshot(body: {
  snapshot_path: string;
  mem_file_path?: string;
  mem_backend?: { backend_type: string; backend_path: string };
  resume_vm?: boolean;
  vsock_override?: { uds_path: string };
}): void {
  const { snapshot_path, mem_file_path, mem_backend, resume_vm = false, vsock_override } = body;
  if ((mem_file_path === undefined) === (mem_backend === undefined)) {
    throw new Fault('either `mem_backend` or `mem_file_path` is required');
  }
  if (configured)
    throw new Fault(
      'Load snapshot error: Loading a microVM snapshot not allowed after configuring boot-specific resources.',
    );
  restoring = true;
  closeSync(open(snapshot_path, constants.O_RDONLY, 'Load snapshot error'));
  const device = JSON.parse(readFileSync(snapshot_path, 'utf8')) as Device;
  const kept = readFileSync(
    open(mem_backend?.backend_path ?? mem_file_path!, constants.O_RDONLY, 'Load snapshot error'),
    'utf8',
  );
  if (device.version !== version || kept !== device.memory)
    throw new Fault('Load snapshot error: it is another’s');
  memory = kept;
  for (const drive of device.drives) openDrive(drive);
  drives.push(...device.drives);
  if (device.vsock) vsock = { ...device.vsock, ...vsock_override };
  if (vsock) bindVsock(vsock.uds_path);
  state = resume_vm ? 'Running' : 'Paused';
  if (resume_vm) guest.run();
}

function bindVsock(path: string): void {
  if (existsSync(path)) throw new Fault('Vsock config error: Cannot bind: Address in use (os error 98)');
  guest.bind(path);
}

type Handler = (body: never, id: string) => void;

/** Requests before the machine runs; the second says whether it is one of those that forbid to load a snapshot. */
const before: Readonly<Record<string, readonly [schema: string, configures: boolean, handler: Handler]>> = {
  'PUT /actions': [
    'InstanceActionInfo',
    false,
    ({ action_type: action }: { action_type: string }) => {
      if (action !== 'InstanceStart') throw new Fault(preBoot);
      startInstance();
    },
  ],
  'PUT /boot-source': [
    'BootSource',
    true,
    (body: NonNullable<typeof bootSource>) => {
      closeSync(
        open(
          body.kernel_image_path,
          constants.O_RDONLY,
          'Boot source error: The kernel file cannot be opened',
        ),
      );
      if (body.initrd_path !== undefined) {
        closeSync(
          open(body.initrd_path, constants.O_RDONLY, 'Boot source error: The initrd file cannot be opened'),
        );
      }
      if (Buffer.byteLength(body.boot_args ?? '') >= 2048)
        throw new Fault('Boot source error: The kernel command line is invalid');
      bootSource = body;
    },
  ],
  'PUT /drives': [
    'Drive',
    true,
    (body: Drive, id) => {
      if (id !== body.drive_id) throw new Fault('The id from the path does not match the id from the body!');
      if (body.path_on_host === undefined) throw new Fault('Drive config error: no path');
      openDrive(body);
      drives.push(body);
    },
  ],
  'PUT /entropy': ['EntropyDevice', true, () => {}],
  'PUT /logger': ['Logger', false, () => {}],
  'PUT /machine-config': [
    'MachineConfiguration',
    true,
    ({ mem_size_mib: size }: { mem_size_mib: number }) => {
      if (size <= 0)
        throw new Fault('Machine config error: The memory size (MiB) is either 0, or not a multiple');
    },
  ],
  'PUT /serial': ['SerialDevice', false, () => {}],
  'PUT /snapshot/load': ['SnapshotLoadParams', false, loadSnapshot],
  'PUT /vsock': [
    'Vsock',
    true,
    (body: NonNullable<Device['vsock']>) => {
      bindVsock(body.uds_path);
      vsock = body;
    },
  ],
};

const after: Readonly<Record<string, readonly [schema: string, handler: Handler]>> = {
  'PATCH /vm': [
    'Vm',
    ({ state: wanted }: { state: string }) => {
      state = wanted === 'Paused' ? 'Paused' : 'Running';
      if (wanted !== 'Paused') guest.run();
    },
  ],
  'PUT /snapshot/create': ['SnapshotCreateParams', createSnapshot],
  'PUT /actions': [
    'InstanceActionInfo',
    ({ action_type: action }: { action_type: string }) => {
      if (action === 'InstanceStart') throw new Fault(postBoot);
    },
  ],
};

function handle(method: string, path: string, body: Buffer | undefined): Answer {
  try {
    return answer(method, path, body);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    note({ fault: error.message });
    const dead = restoring && state === 'Not started';
    // A process that failed to restore is of no more use, and ends.
    return {
      status: 400,
      body: { fault_message: error.message },
      ...(dead ? { sent: () => process.exit(1) } : {}),
    };
  }
}

function answer(method: string, path: string, body: Buffer | undefined): Answer {
  if (method === 'GET') {
    if (body !== undefined) throw new Fault('GET request cannot have a body.');
    if (path === '/version') return { status: 200, body: { firecracker_version: version } };
    if (path === '/') {
      return {
        status: 200,
        body: { app_name: 'Firecracker', id: 'anonymous-instance', state, vmm_version: version },
      };
    }
  }
  const drive = /^\/drives\/([^/]*)$/.exec(path)?.[1];
  if (drive !== undefined && !/^[A-Za-z0-9_]+$/.test(drive)) {
    throw new Fault('API Resource IDs can only contain alphanumeric characters and underscores.');
  }
  const name = `${method} ${drive === undefined ? path : '/drives'}`;
  const early = before[name];
  const late = after[name];
  if (early === undefined && late === undefined)
    throw new Fault(`Invalid request method and/or path: ${method} ${path}.`);
  if (body === undefined) throw new Fault(`Empty ${method} request.`);
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch (error) {
    throw new Fault(
      `An error occurred when deserializing the json body of a request: ${(error as Error).message}.`,
    );
  }
  const fault = findFault(firecrackerSchemas, (early ?? late)![0], value);
  if (fault !== undefined)
    throw new Fault(`An error occurred when deserializing the json body of a request: ${fault}.`);
  if (state === 'Not started') {
    if (early === undefined) throw new Fault(preBoot);
    configured ||= early[1];
    early[2](value as never, drive ?? '');
  } else {
    if (late === undefined) throw new Fault(postBoot);
    late[1](value as never, '');
  }
  return { status: 204 };
}

const known = new Map([
  ['--api-sock', /./],
  ['--id', /^[A-Za-z0-9-]{1,64}$/],
  ['--level', /^(Error|Warning|Info|Debug|Trace|Off)$/i],
  ['--log-path', /./],
]);

function main(words: readonly string[]): void {
  if (words[0] === '--version') {
    process.stdout.write(`Firecracker v${version}\n\n`);
    return;
  }
  const options = new Map<string, string>();
  for (let index = 0; index < words.length; index += 2) {
    const [name, value] = [words[index]!, words[index + 1] ?? ''];
    if (!known.get(name)?.test(value)) {
      process.stderr.write(`Arguments parsing error: Found argument '${name}' which wasn't expected\n`);
      process.exit(153);
    }
    options.set(name, value);
  }
  if (script.stillborn !== undefined) {
    process.stderr.write(`${script.stillborn}\n`);
    process.exit(1);
  }
  // Firecracker sets O_NONBLOCK on its standard output. A pipe is opened anew for that, a socket does not block in Node.
  try {
    stdout = openSync('/proc/self/fd/1', constants.O_WRONLY + constants.O_NONBLOCK);
  } catch {
    stdout = 1;
  }
  serve(options.get('--api-sock') ?? '/run/firecracker.socket', script, handle);
}

main(process.argv.slice(2));
