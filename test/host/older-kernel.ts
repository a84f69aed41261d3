/**
 * This kernel as an older one would be, for a process and its children: calls that it is not to have fail as they do where they are unknown (seccomp(2)). For tests
 * that run `olderKernel(…)` at the start of a process of their own: there is no way back.
 */
import { createRequire } from 'node:module';

export type MissingCall = keyof typeof calls;

/** By number; of ioctl(2) and fsconfig(2) one request. The numbers of old calls are those of x86-64. */
const calls = {
  fsopen: { number: 430, errno: 38 },
  open_tree: { number: 428, errno: 38 },
  mount_setattr: { number: 442, errno: 38 },
  // FSCONFIG_SET_STRING, of whatever filesystem: nobody can look at the key.
  'lowerdir+': { number: 431, request: 1, errno: 22 },
  // Of whatever filesystem: an overlay in a user namespace is meant.
  mount: { number: 165, errno: 1 },
  LOOP_CONFIGURE: { number: 16, request: 0x4c0a, errno: 22 },
} as const satisfies Readonly<Record<string, { number: number; request?: number; errno: number }>>;

/** Each with the release that brought it. */
export const missingBefore = {
  '5.2': ['fsopen', 'open_tree', 'mount_setattr', 'LOOP_CONFIGURE'],
  '5.8': ['mount_setattr', 'LOOP_CONFIGURE'],
  '5.11': ['mount', 'mount_setattr'],
  '5.12': ['mount_setattr'],
  '6.8': ['lowerdir+'],
} as const satisfies Readonly<Record<string, readonly MissingCall[]>>;

/** The reason to skip, or false. */
export const requiresOlderKernel = process.arch === 'x64' ? false : 'the numbers are those of x86-64';

const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2;
const SECCOMP_RET_ALLOW = 0x7fff0000;
const SECCOMP_RET_ERRNO = 0x50000;
/** linux/bpf_common.h. */
const load = 0x20;
const jumpEqual = 0x15;
const give = 0x06;
/** struct seccomp_data: the number of the call, and the lower half of its second argument. */
const numberAt = 0;
const secondAt = 24;

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

export function olderKernel(release: keyof typeof missingBefore): void {
  const program: Instruction[] = [];
  for (const name of missingBefore[release]) {
    const { number, errno, ...rest } = calls[name];
    const fail: Instruction = [give, 0, 0, SECCOMP_RET_ERRNO + errno];
    program.push([load, 0, 0, numberAt]);
    if ('request' in rest) {
      program.push([jumpEqual, 0, 3, number], [load, 0, 0, secondAt], [jumpEqual, 0, 1, rest.request], fail);
    } else program.push([jumpEqual, 0, 1, number], fail);
  }
  program.push([give, 0, 0, SECCOMP_RET_ALLOW]);
  install(program);
}

function install(program: readonly Instruction[]): void {
  const koffi = createRequire(import.meta.url)('koffi');
  const filter = Buffer.alloc(program.length * 8);
  for (const [index, [code, ifTrue, ifFalse, value]] of program.entries()) {
    filter.writeUInt16LE(code, index * 8);
    filter.writeUInt8(ifTrue, index * 8 + 2);
    filter.writeUInt8(ifFalse, index * 8 + 3);
    filter.writeUInt32LE(value, index * 8 + 4);
  }
  // struct sock_fprog: how many, and where.
  const whole = Buffer.alloc(16);
  whole.writeUInt16LE(program.length, 0);
  whole.writeBigUInt64LE(BigInt(koffi.address(filter)), 8);
  const prctl = koffi
    .load(null)
    .func('prctl', 'int', ['int', 'unsigned long', 'void *', 'unsigned long', 'unsigned long']);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, whole, 0, 0) !== 0) {
    throw new Error(`no filter can be installed: errno ${koffi.errno()}`);
  }
}
