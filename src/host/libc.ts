import { createRequire } from 'node:module';
import type { ByteString } from '../tree/index.ts';
import { systemError } from './error.ts';

/**
 * The calls of the C library that Node lacks, through koffi. Loaded at the first use, never before: most commands
 * need none of it. Where there is no koffi, no Linux or no 64-bit `time_t`, `hasLibc()` is false and callers do without.
 */
export type Call =
  | 'lsetxattr'
  | 'lgetxattr'
  | 'llistxattr'
  | 'lremovexattr'
  | 'mknod'
  | '__xmknod'
  | 'mkfifo'
  | 'utimensat'
  | 'futimens'
  | 'renameat2'
  | 'syncfs'
  | 'sync_file_range'
  | 'flock'
  | 'lseek'
  | 'fcntl'
  | 'ioctl'
  | 'clock_gettime'
  | 'signal'
  | 'tcgetattr'
  | 'tcsetattr'
  | 'fsopen'
  | 'fsconfig'
  | 'fsmount'
  | 'move_mount'
  | 'open_tree'
  | 'mount_setattr'
  | 'mount'
  | 'umount2'
  | 'socket'
  | 'sendto';

/** koffi's C types for each call; `long` is `ssize_t`, and the libcs of Node 24's platforms agree on all of them. */
const prototypes: Readonly<Record<Call, readonly [result: string, ...parameters: string[]]>> = {
  lsetxattr: ['int', 'const void *', 'const void *', 'const void *', 'size_t', 'int'],
  lgetxattr: ['long', 'const void *', 'const void *', 'void *', 'size_t'],
  llistxattr: ['long', 'const void *', 'void *', 'size_t'],
  lremovexattr: ['int', 'const void *', 'const void *'],
  mknod: ['int', 'const void *', 'unsigned int', 'uint64_t'],
  __xmknod: ['int', 'int', 'const void *', 'unsigned int', 'const void *'],
  mkfifo: ['int', 'const void *', 'unsigned int'],
  utimensat: ['int', 'int', 'const void *', 'const void *', 'int'],
  futimens: ['int', 'int', 'const void *'],
  renameat2: ['int', 'int', 'const void *', 'int', 'const void *', 'unsigned int'],
  syncfs: ['int', 'int'],
  sync_file_range: ['int', 'int', 'int64_t', 'int64_t', 'unsigned int'],
  flock: ['int', 'int', 'int'],
  lseek: ['int64_t', 'int', 'int64_t', 'int'],
  signal: ['intptr_t', 'int', 'intptr_t'],
  tcgetattr: ['int', 'int', 'void *'],
  tcsetattr: ['int', 'int', 'int', 'const void *'],
  fcntl: ['int', 'int', 'int', 'int'],
  ioctl: ['int', 'int', 'unsigned long', 'void *'],
  clock_gettime: ['int', 'int', 'void *'],
  fsopen: ['int', 'const void *', 'unsigned int'],
  fsconfig: ['int', 'int', 'unsigned int', 'const void *', 'const void *', 'int'],
  fsmount: ['int', 'int', 'unsigned int', 'unsigned int'],
  move_mount: ['int', 'int', 'const void *', 'int', 'const void *', 'unsigned int'],
  open_tree: ['int', 'int', 'const void *', 'unsigned int'],
  mount_setattr: ['int', 'int', 'const void *', 'unsigned int', 'const void *', 'size_t'],
  mount: ['int', 'const void *', 'const void *', 'const void *', 'unsigned long', 'const void *'],
  umount2: ['int', 'const void *', 'int'],
  socket: ['int', 'int', 'int', 'int'],
  sendto: ['long', 'int', 'const void *', 'size_t', 'int', 'const void *', 'unsigned int'],
};

/**
 * Calls that older libcs have no function for, though the kernel has them (glibc before 2.36; musl): by their numbers, which since Linux 5.0 are the
 * same on all platforms.
 */
const numbers: Partial<Readonly<Record<Call, number>>> = {
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  mount_setattr: 442,
};

type Argument = number | bigint | ArrayBufferView | null;
type Function = ((...parameters: Argument[]) => number) & {
  async(...parameters: [...Argument[], (error: unknown, result: number) => void]): void;
};
interface Koffi {
  load(path: null): { func(name: string, result: string, parameters: readonly string[]): Function };
  errno(): number;
}
interface Library {
  readonly koffi: Koffi;
  readonly handle: ReturnType<Koffi['load']>;
  readonly functions: Map<Call, Function | undefined>;
}

const platforms = ['x64', 'arm64', 'ppc64', 's390x', 'riscv64', 'loong64'];
let library: Library | undefined | null = null;

function load(): Library | undefined {
  if (library !== null) return library;
  library = undefined;
  if (process.platform !== 'linux' || !platforms.includes(process.arch)) return undefined;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    // The program itself, which is linked with the libc that is there: glibc and musl go by different file names.
    library = { koffi, handle: koffi.load(null), functions: new Map() };
  } catch {
    // Without a binary of koffi for this platform we are as on a platform without libc.
  }
  return library;
}

/** Whether libc can be called at all; loads it. */
export function hasLibc(): boolean {
  return load() !== undefined;
}

/** A function of libc, or `undefined` if this libc has none of that name. */
export function findCall(name: Call): Function | undefined {
  const from = load();
  if (from === undefined) return undefined;
  if (from.functions.has(name)) return from.functions.get(name);
  let found: Function | undefined;
  try {
    const [result, ...parameters] = prototypes[name];
    const number = numbers[name];
    if (number === undefined) found = from.handle.func(name, result, parameters);
    else found = bindNumber(from.handle.func('syscall', 'long', ['long', ...parameters]), number);
  } catch {
    // musl has no renameat2, glibc before 2.33 no mknod.
  }
  from.functions.set(name, found);
  return found;
}

function bindNumber(syscall: Function, number: number): Function {
  return Object.assign((...parameters: Argument[]) => syscall(number, ...parameters), {
    async: (...parameters: Parameters<Function['async']>) => syscall.async(number, ...parameters),
  });
}

/** Calls a function of libc. A negative result, and a function that is missing (ENOSYS), is thrown as Node would. */
export function call(name: Call, path: ByteString | undefined, ...parameters: Argument[]): number {
  const found = findCall(name);
  if (found === undefined) throw systemError(name, 38, path);
  const result = found(...parameters);
  if (result < 0) throw systemError(name, library!.koffi.errno(), path);
  return result;
}

/** A path or a name as C has it. Node's strings will not do: what they hold need not be UTF-8. */
export function cString(bytes: ByteString): Buffer {
  return Buffer.from(`${bytes}\0`, 'latin1');
}

/** A path as Node's own file calls take it. */
export function pathBytes(path: ByteString): Buffer {
  return Buffer.from(path, 'latin1');
}
