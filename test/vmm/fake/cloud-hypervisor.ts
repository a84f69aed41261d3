/**
 * A scripted stand-in for Cloud Hypervisor, which cannot be installed where these tests run: no virtual machine at
 * all. It is written from the published API, not from Shale's driver: bodies are checked strictly against the
 * description, calls against the states that it names, and every path is opened as the real one would open it. A guest
 * that resets is booted again from the same paths, and if that fails the process ends.
 */
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { cloudHypervisorSchemas } from './cloud-hypervisor-schema.ts';
import { Guest } from './guest.ts';
import { findFault } from './schema.ts';
import type { Script } from './script.ts';
import { type Answer, note, serve } from './server.ts';

const script = JSON.parse(process.env.FAKE_SCRIPT ?? '{}') as Script;
const version = script.version ?? '53.0';

interface Configuration {
  readonly payload: { readonly kernel?: string; readonly initramfs?: string; readonly cmdline?: string };
  readonly disks?: readonly { readonly id?: string; readonly path?: string; readonly readonly?: boolean }[];
  readonly serial?: { readonly mode: string; readonly socket?: string };
  readonly vsock?: { readonly cid: number; readonly socket: string };
}

let configuration: Configuration | undefined;
let state: 'none' | 'Created' | 'Running' | 'Paused' = 'none';
const memory = 'ranges of memory';

class Fault extends Error {
  readonly status: number;
  readonly chain: readonly string[];

  constructor(status: number, ...chain: string[]) {
    super(chain.join(': '));
    this.status = status;
    this.chain = chain;
  }
}

const mostKept = 1024;

/** A serial port on a socket: the last client has it, and the last of what it does not take is kept for it or the next. */
class SerialPort {
  #client: Socket | undefined;
  readonly #kept: string[] = [];
  #server: Server | undefined;
  #path = '';

  listen(path: string): void {
    this.#path = path;
    this.#server = createServer(socket => {
      this.#client?.destroy();
      this.#client = socket;
      socket.on('error', () => {});
      socket.on('drain', () => this.#flush());
      socket.on('close', () => {
        if (this.#client === socket) this.#client = undefined;
      });
      this.#flush();
    }).listen(path);
  }

  write(text: string): void {
    this.#kept.push(text);
    if (this.#kept.length > mostKept) this.#kept.splice(0, mostKept / 2);
    this.#flush();
  }

  #flush(): void {
    const client = this.#client;
    if (client === undefined || client.writableNeedDrain || this.#kept.length === 0) return;
    client.write(this.#kept.splice(0).join(''));
  }

  close(): void {
    this.#client?.destroy();
    this.#server?.close();
    if (this.#path !== '') rmSync(this.#path, { force: true });
  }
}

const serial = new SerialPort();
const guest = new Guest(script, {
  print: text => serial.write(text),
  powerOff: () => process.exit(0),
  reset() {
    guest.disconnect();
    try {
      serial.close();
      openSerial();
      openPayload();
      serial.write('booted again\n');
    } catch (error) {
      process.stderr.write(`Error rebooting VM: ${(error as Error).message}\n`);
      process.exit(1);
    }
  },
});

function open(path: string, flags: number, ...what: string[]): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    const { errno = 0 } = error as NodeJS.ErrnoException;
    throw new Fault(500, ...what, `No access to ${path} (os error ${-errno})`);
  }
}

function openSerial(): void {
  const { mode, socket } = configuration?.serial ?? { mode: 'Tty' };
  if (mode !== 'Socket') return;
  if (socket === undefined) throw new Fault(400, 'The VM could not be created', 'socket mode wants a socket');
  serial.listen(socket);
}

function openPayload(): void {
  const { kernel, initramfs } = configuration!.payload;
  if (kernel === undefined) throw new Fault(400, 'The VM could not boot', 'no kernel');
  const magic = Buffer.alloc(4);
  const fd = open(kernel, constants.O_RDONLY, 'The VM could not boot', 'Cannot open kernel file');
  readSync(fd, magic, 0, 4, 0);
  closeSync(fd);
  if (magic.toString('latin1') !== '\x7fELF')
    throw new Fault(500, 'The VM could not boot', 'Cannot load kernel');
  openInitramfs(initramfs);
}

function openInitramfs(path: string | undefined): void {
  if (path !== undefined)
    closeSync(open(path, constants.O_RDONLY, 'The VM could not boot', 'Cannot open initramfs file'));
}

function openDevices(): void {
  for (const { id = '', path = '', readonly = false } of configuration!.disks ?? []) {
    const fd = open(
      path,
      readonly ? constants.O_RDONLY : constants.O_RDWR,
      'The VM could not boot',
      'Cannot open disk path',
    );
    const start = Buffer.alloc(32);
    const length = readSync(fd, start, 0, 32, 0);
    note({ drive: id, start: start.toString('latin1', 0, length) });
  }
  if (configuration!.vsock !== undefined) guest.bind(configuration!.vsock.socket);
}

function directoryOf(url: string): string {
  const path = /^file:\/\/(.*)$/s.exec(url)?.[1];
  if (path === undefined) throw new Fault(500, `Could not extract path from URL: ${url}`);
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new Fault(500, `Destination is not a directory: ${path}`);
  return path;
}

function snapshot({ destination_url: url = '' }: { destination_url?: string }): void {
  const directory = directoryOf(url);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'config.json'), JSON.stringify(configuration));
  writeFileSync(join(directory, 'state.json'), JSON.stringify({ version, memory }));
  writeFileSync(join(directory, 'memory-ranges'), memory);
}

function restore({ source_url: url, resume = false }: { source_url: string; resume?: boolean }): void {
  const directory = directoryOf(url);
  const read = (name: string) => {
    const fd = open(join(directory, name), constants.O_RDONLY, 'The VM could not be restored');
    return readFileSync(fd, 'utf8');
  };
  configuration = JSON.parse(read('config.json')) as Configuration;
  const saved = JSON.parse(read('state.json')) as { version: string; memory: string };
  if (saved.version !== version || saved.memory !== read('memory-ranges'))
    throw new Fault(500, 'The VM could not be restored');
  openSerial();
  openInitramfs(configuration.payload.initramfs);
  openDevices();
  state = resume ? 'Running' : 'Paused';
  if (resume) guest.run();
}

function need(...states: (typeof state)[]): void {
  if (states.includes(state)) return;
  const status = state === 'none' ? 404 : 405;
  throw new Fault(
    status,
    'Error from API',
    `The VM is ${state === 'none' ? 'not created' : state}, not ${states.join(' or ')}`,
  );
}

type Handler = (body: never) => void;

const actions: Readonly<Record<string, readonly [schema: string | undefined, handler: Handler]>> = {
  'vm.create': [
    'VmConfig',
    (body: Configuration) => {
      if (configuration !== undefined)
        throw new Fault(500, 'Error from API', 'The VM could not be created', 'VM is already created');
      configuration = body;
      openSerial();
      state = 'Created';
    },
  ],
  'vm.boot': [
    undefined,
    () => {
      need('Created');
      openPayload();
      openDevices();
      state = 'Running';
      const { cmdline = '' } = configuration!.payload;
      if (/\bconsole=ttyS0\b/.test(cmdline)) serial.write(`Command line: ${cmdline}\n`);
      guest.run();
    },
  ],
  'vm.pause': [
    undefined,
    () => {
      need('Running');
      state = 'Paused';
    },
  ],
  'vm.resume': [
    undefined,
    () => {
      need('Paused');
      state = 'Running';
      guest.run();
    },
  ],
  'vm.snapshot': [
    'VmSnapshotConfig',
    (body: { destination_url?: string }) => {
      need('Paused');
      snapshot(body);
    },
  ],
  'vm.restore': [
    'RestoreConfig',
    (body: { source_url: string; resume?: boolean }) => {
      if (configuration !== undefined) throw new Fault(500, 'Error from API', 'VM is already created');
      restore(body);
    },
  ],
  'vm.power-button': [undefined, () => need('Running')],
  'vm.delete': [undefined, () => {}],
  'vm.shutdown': [undefined, () => need('Running', 'Paused')],
};

function handle(method: string, path: string, body: Buffer | undefined): Answer {
  try {
    return answer(method, path, body);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    note({ fault: error.message });
    return { status: error.status, body: error.chain };
  }
}

function answer(method: string, path: string, body: Buffer | undefined): Answer {
  const name = /^\/api\/v1\/([a-z.-]+)$/.exec(path)?.[1] ?? '';
  if (name === 'vmm.ping' && method === 'GET') {
    return {
      status: 200,
      body: { build_version: `v${version}`, version, pid: process.pid, features: ['kvm'] },
    };
  }
  if (name === 'vm.info' && method === 'GET') {
    need('Created', 'Running', 'Paused');
    return { status: 200, body: { config: configuration, state } };
  }
  const action = actions[name];
  if (action === undefined) throw new Fault(404, 'Not Found');
  if (method !== 'PUT') throw new Fault(400, 'Bad Request');
  const [schema, handler] = action;
  if ((schema === undefined) !== (body === undefined)) throw new Fault(400, 'Bad Request');
  if (schema === undefined) handler(undefined as never);
  else {
    let value: unknown;
    try {
      value = JSON.parse(body!.toString());
    } catch {
      throw new Fault(400, 'Failed to deserialize JSON');
    }
    const fault = findFault(cloudHypervisorSchemas, schema, value);
    if (fault !== undefined) throw new Fault(400, 'Failed to deserialize JSON', fault);
    handler(value as never);
  }
  return { status: 204 };
}

function main(words: readonly string[]): void {
  if (words[0] === '--version') {
    process.stdout.write(`cloud-hypervisor v${version}\n`);
    return;
  }
  const socket =
    words.length === 2 && words[0] === '--api-socket'
      ? /^(?:path=)?([^,=]+)$/.exec(words[1]!)?.[1]
      : undefined;
  if (socket === undefined) {
    process.stderr.write(`error: unexpected argument in '${words.join(' ')}'\n`);
    process.exit(2);
  }
  if (script.stillborn !== undefined) {
    process.stderr.write(`${script.stillborn}\n`);
    process.exit(1);
  }
  serve(socket, script, handle);
}

main(process.argv.slice(2));
