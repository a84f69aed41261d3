import { closeSync, openSync, readSync } from 'node:fs';
import { type ErrorCode, errnoMessage, isErrno } from '../error/index.ts';
import type { ByteString } from '../tree/index.ts';
import { HostError } from './error.ts';
import { descriptorPath } from './inheritance.ts';
import { call, cString, findCall, hasLibc, pathBytes } from './libc.ts';

/**
 * Mounts by the calls that Linux has for them since 5.2 (fsopen(2) and its sisters), option by option: mount(2) takes all
 * of them in one page, which neither hundreds of layers nor hundreds of devices fit into. glibc has had them since 2.36.
 */

/** An option by its name, such as `xino`, or with its value, in the order in which the kernel is to see them. */
export type MountParameter = readonly [key: string] | readonly [key: string, value: ByteString];

const FSOPEN_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSMOUNT_CLOEXEC = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
const AT_FDCWD = -100;
const OPEN_TREE_CLONE = 1;
const UMOUNT_NOFOLLOW = 8;
const MNT_DETACH = 2;
const MS_PRIVATE = 2n ** 18n;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;

/** What is forbidden where something is mounted, whatever the files say: mount_setattr(2). */
export interface MountAttributes {
  readonly readOnly?: boolean | undefined;
  /** setuid, setgid and file capabilities count for nothing. */
  readonly noSuid?: boolean | undefined;
  /** Device nodes cannot be opened. */
  readonly noDevices?: boolean | undefined;
  readonly noExecution?: boolean | undefined;
}

const attributeBits = [
  ['readOnly', 1],
  ['noSuid', 2],
  ['noDevices', 4],
  ['noExecution', 8],
] as const;

function bitsOf(attributes: MountAttributes): number {
  return attributeBits.reduce((bits, [name, bit]) => (attributes[name] ? bits + bit : bits), 0);
}

const readOnly: MountAttributes = { readOnly: true };

/** fsconfig(2) takes values of up to 255 bytes. */
const longestValue = 255;

/** Whether this libc has the calls; whether the kernel has them, and lets us, only trying tells. */
export function canMount(): boolean {
  return hasLibc() && findCall('fsopen') !== undefined && findCall('move_mount') !== undefined;
}

/** A filesystem that is being described to the kernel. Disposing it forgets what was not mounted. Throws HostErrors with the kernel's own reasons. */
export interface Filesystem extends Disposable {
  /**
   * One option; the same key may come again where the filesystem knows lists. A value of more than 255 bytes must be the path of
   * something that exists: the kernel gets another way to the same file, and tells of that later (/proc/self/mountinfo).
   */
  set(key: string, value?: ByteString): void;
  /** Opens what the options describe, and mounts it at the directory `target`: for reading, if not told otherwise. Once. */
  mount(target: ByteString, attributes?: MountAttributes): void;
}

/** Begins a mount of a filesystem of this type, such as `erofs` or `overlay`. HostError `unsupported`, `denied`. */
export function openFilesystem(type: string): Filesystem {
  let context: number;
  try {
    context = call('fsopen', undefined, cString(type), FSOPEN_CLOEXEC);
  } catch (error) {
    throw explainMount(`cannot mount a filesystem of type ${type}`, error, []);
  }
  const held: number[] = [];
  const configure = (doing: string, command: number, key: string | null, value: ByteString | null): void => {
    try {
      call(
        'fsconfig',
        undefined,
        context,
        command,
        key === null ? null : cString(key),
        value === null ? null : cString(value),
        0,
      );
    } catch (error) {
      throw explainMount(doing, error, readMessages(context));
    }
  };
  const shorten = (doing: string, value: ByteString): ByteString => {
    if (value.length <= longestValue) return value;
    try {
      const fd = openSync(pathBytes(value), O_PATH + O_CLOEXEC);
      held.push(fd);
      return descriptorPath(fd);
    } catch (error) {
      throw explainMount(doing, error, []);
    }
  };
  return {
    set(key, value) {
      const doing = `cannot mount ${type} with ${value === undefined ? key : `${key}=${value}`}`;
      if (value === undefined) configure(doing, FSCONFIG_SET_FLAG, key, null);
      else configure(doing, FSCONFIG_SET_STRING, key, shorten(doing, value));
    },
    mount(target, attributes = readOnly) {
      const doing = `cannot mount ${type} at ${target}`;
      if (attributes.readOnly) configure(doing, FSCONFIG_SET_FLAG, 'ro', null);
      configure(doing, FSCONFIG_CMD_CREATE, null, null);
      try {
        const mount = call('fsmount', undefined, context, FSMOUNT_CLOEXEC, bitsOf(attributes));
        held.push(mount);
        moveTo(target, mount);
      } catch (error) {
        throw explainMount(doing, error, readMessages(context));
      }
    },
    [Symbol.dispose]() {
      for (const fd of held.splice(0)) closeSync(fd);
      if (context >= 0) closeSync(context);
      context = -1;
    },
  };
}

/** Mounts a filesystem, for reading if not told otherwise. HostError, with the kernel's own reasons. */
export function mountFilesystem(
  type: string,
  target: ByteString,
  parameters: readonly MountParameter[],
  attributes: MountAttributes = readOnly,
): void {
  using filesystem = openFilesystem(type);
  for (const [key, value] of parameters) filesystem.set(key, value);
  filesystem.mount(target, attributes);
}

/**
 * Shows the directory (or file) `source` at `target`, too; with `recursive` what is mounted below it comes along. What is mounted in it later is not seen in
 * `source` (Linux 5.12; before, it is where that is shared). Takes Linux 5.12 if there are attributes. HostError.
 */
export function mountBind(
  source: ByteString,
  target: ByteString,
  options: MountAttributes & { readonly recursive?: boolean | undefined } = {},
): void {
  const deep = options.recursive ? AT_RECURSIVE : 0;
  let tree = -1;
  try {
    tree = call('open_tree', source, AT_FDCWD, cString(source), OPEN_TREE_CLONE + O_CLOEXEC + deep);
    setAttributes(tree, bitsOf(options), deep);
    moveTo(target, tree);
  } catch (error) {
    throw explainMount(`cannot mount ${source} at ${target}`, error, []);
  } finally {
    if (tree >= 0) closeSync(tree);
  }
}

/** struct mount_attr: attributes to set, to clear, propagation, a user namespace; eight bytes each. */
function setAttributes(mount: number, bits: number, deep: number): void {
  const attributes = Buffer.alloc(32);
  attributes.writeBigUInt64LE(BigInt(bits), 0);
  attributes.writeBigUInt64LE(MS_PRIVATE, 16);
  try {
    call('mount_setattr', undefined, mount, cString(''), AT_EMPTY_PATH + deep, attributes, attributes.length);
  } catch (error) {
    if (bits > 0 || !isErrno(error, 'ENOSYS')) throw error;
  }
}

function moveTo(target: ByteString, mount: number): void {
  call('move_mount', target, mount, cString(''), AT_FDCWD, cString(target), MOVE_MOUNT_F_EMPTY_PATH);
}

/**
 * Unmounts what is mounted at `target` itself. While it is in use that fails with EBUSY; with `lazily` it vanishes from its place
 * at once and goes when its last user does. Throws as `fs` does.
 */
export function unmount(target: ByteString, { lazily = false }: { readonly lazily?: boolean } = {}): void {
  call('umount2', target, cString(target), UMOUNT_NOFOLLOW + (lazily ? MNT_DETACH : 0));
}

/** What the kernel has to say: a message a read, its first letter telling how bad it is. */
function readMessages(context: number): string[] {
  const messages: string[] = [];
  const buffer = Buffer.alloc(4096);
  try {
    for (let length = 1; length > 0; ) {
      length = readSync(context, buffer);
      if (length > 0) messages.push(buffer.toString('utf8', 0, length).trim());
    }
  } catch {
    // ENODATA: that was all. Whatever else it is, there is no more to be had.
  }
  return messages;
}

/** A failed call as an error with a code, and the kernel's reasons where it gave some. */
export function explainMount(doing: string, error: unknown, messages: readonly string[]): unknown {
  if (!(error instanceof Error) || !('syscall' in error)) return error;
  const { code: errno = '', errno: number = 0, syscall } = error as NodeJS.ErrnoException;
  // The first letter: an error, a warning, or information.
  const reasons = messages.map(message => message.replace(/^[ewi] /, ''));
  const why = reasons.length > 0 ? reasons.join('; ') : errnoMessage(-number);
  return new HostError(codes[errno] ?? 'internal', `${doing}: ${why} (${errno})`, {
    cause: error,
    detail: { errno, syscall, messages: reasons },
    ...hints[errno],
  });
}

const codes: Readonly<Record<string, ErrorCode>> = {
  ENODEV: 'unsupported',
  ENOSYS: 'unsupported',
  EOPNOTSUPP: 'unsupported',
  EPERM: 'denied',
  EACCES: 'denied',
  ENOENT: 'not-found',
  ENOTDIR: 'invalid',
  EINVAL: 'invalid',
  ENOTBLK: 'unsupported',
  ELOOP: 'invalid',
  ENAMETOOLONG: 'invalid',
  EBUSY: 'conflict',
  EUCLEAN: 'corrupt',
  EIO: 'corrupt',
  EBADMSG: 'corrupt',
  ENOMEM: 'exhausted',
  EMFILE: 'exhausted',
  ENFILE: 'exhausted',
  ENOSPC: 'exhausted',
};

const hints: Readonly<Record<string, { readonly hint: string }>> = {
  ENODEV: { hint: 'this kernel has no such filesystem; load its module, or use another kernel' },
  ENOSYS: { hint: 'this takes Linux 5.2 and glibc 2.36 or later' },
  EPERM: { hint: 'mounting takes root (CAP_SYS_ADMIN)' },
  EACCES: { hint: 'mounting takes root (CAP_SYS_ADMIN)' },
};
