import { closeSync, openSync, readSync } from 'node:fs';
import { isErrno } from '../error/index.ts';
import type { ByteString } from '../tree/index.ts';
import { bindClassic, fitsClassicMount, mountClassic } from './classic-mount.ts';
import { HostError } from './error.ts';
import { descriptorPath } from './inheritance.ts';
import { call, cString, pathBytes } from './libc.ts';
import { bitsOf, type MountAttributes } from './mount-attributes.ts';
import { explainMount } from './mount-error.ts';

/**
 * Mounts by the calls that Linux has for them since 5.2 (fsopen(2) and its sisters), option by option: mount(2) takes all
 * of them in one page, which neither hundreds of layers nor hundreds of devices fit into. glibc has had functions for them since 2.36, which are not needed.
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
const MS_PRIVATE = 2n ** 18n;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;

const readOnly: MountAttributes = { readOnly: true };

/** fsconfig(2) takes values of up to 255 bytes. */
const longestValue = 255;

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

/**
 * Mounts a filesystem, for reading if not told otherwise; by mount(2) before Linux 5.2, if it takes the options. HostError, with the kernel's own
 * reasons.
 */
export function mountFilesystem(
  type: string,
  target: ByteString,
  parameters: readonly MountParameter[],
  attributes: MountAttributes = readOnly,
): void {
  let filesystem: Filesystem;
  try {
    filesystem = openFilesystem(type);
  } catch (error) {
    if (!(error instanceof HostError) || error.detail.errno !== 'ENOSYS') throw error;
    const [source, options] = joinParameters(parameters);
    if (options === undefined || !fitsClassicMount(options)) throw error;
    mountClassic(type, source ?? 'none', target, options, attributes);
    return;
  }
  using _opened = filesystem;
  for (const [key, value] of parameters) filesystem.set(key, value);
  filesystem.mount(target, attributes);
}

/** As mount(2) has them; no options if a value cannot be said there. */
function joinParameters(
  parameters: readonly MountParameter[],
): readonly [source: ByteString | undefined, options: ByteString | undefined] {
  const source = parameters.find(([key]) => key === 'source')?.[1];
  const words = parameters.filter(([key]) => key !== 'source').map(words => words.join('='));
  return [source, words.some(word => word.includes(',')) ? undefined : words.join(',')];
}

/**
 * Shows the directory (or file) `source` at `target`, too; with `recursive` what is mounted below it comes along. What is mounted in it later is not seen in
 * `source`. Before Linux 5.12 that takes a moment in which it is there without its attributes. HostError.
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
    if (isErrno(error, 'ENOSYS')) bindClassic(source, target, options);
    else throw explainMount(`cannot mount ${source} at ${target}`, error, []);
  } finally {
    if (tree >= 0) closeSync(tree);
  }
}

/** struct mount_attr: attributes to set, to clear, propagation, a user namespace; eight bytes each. */
function setAttributes(mount: number, bits: number, deep: number): void {
  const attributes = Buffer.alloc(32);
  attributes.writeBigUInt64LE(BigInt(bits), 0);
  attributes.writeBigUInt64LE(MS_PRIVATE, 16);
  call('mount_setattr', undefined, mount, cString(''), AT_EMPTY_PATH + deep, attributes, attributes.length);
}

function moveTo(target: ByteString, mount: number): void {
  call('move_mount', target, mount, cString(''), AT_FDCWD, cString(target), MOVE_MOUNT_F_EMPTY_PATH);
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
