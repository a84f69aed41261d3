import { realpathSync } from 'node:fs';
import type { ByteString } from '../tree/index.ts';
import { call, cString, pathBytes } from './libc.ts';
import { bitsOf, type MountAttributes } from './mount-attributes.ts';
import { explainMount } from './mount-error.ts';
import { findMount, listMountsIn } from './mount-point.ts';
import { unmount } from './unmount.ts';

const MS_REMOUNT = 32;
const MS_BIND = 4096;
const MS_REC = 16384;
const MS_PRIVATE = 2 ** 18;

/** What mount(2) takes of options, in bytes, the end's NUL included: a page, of which some architectures have larger ones. */
const page = 4096;

/** Whether an option string is short enough for `mountClassic`. */
export function fitsClassicMount(options: ByteString): boolean {
  return options.length < page;
}

/**
 * Mounts by mount(2), the way that all kernels have, with options as one string. With `directory`, relative paths in the options are relative to it:
 * many lower directories fit in that way. HostError.
 */
export function mountClassic(
  type: string,
  source: ByteString,
  target: ByteString,
  options: ByteString,
  { directory, ...attributes }: MountAttributes & { readonly directory?: string | undefined } = {},
): void {
  const before = directory === undefined ? undefined : process.cwd();
  // Nothing else of this process runs meanwhile: the call is synchronous.
  if (directory !== undefined) process.chdir(directory);
  try {
    call(
      'mount',
      target,
      cString(source),
      cString(target),
      cString(type),
      bitsOf(attributes),
      cString(options),
    );
  } catch (error) {
    throw explainMount(`cannot mount ${type} at ${target}`, error, []);
  } finally {
    if (before !== undefined) process.chdir(before);
  }
}

/**
 * `mountBind` in the way that all kernels have: the mount is there first, and then gets its attributes, as do those below it; one that cannot have
 * them is taken away again. HostError.
 */
export function bindClassic(
  source: ByteString,
  target: ByteString,
  { recursive, ...attributes }: MountAttributes & { readonly recursive?: boolean | undefined },
): void {
  const deep = recursive ? MS_REC : 0;
  const mount = (from: ByteString, to: ByteString, flags: number) =>
    call('mount', to, cString(from), cString(to), null, flags, null);
  let isMounted = false;
  try {
    mount(source, target, MS_BIND + deep);
    isMounted = true;
    mount('none', target, MS_PRIVATE + deep);
    if (bitsOf(attributes) === 0) return;
    const path = realPath(target);
    const places = recursive ? listMountsIn(path) : [findMount(path)!];
    for (const place of places) {
      // What is forbidden already stays so: in a user namespace the kernel refuses to give it up.
      const all = withAttributes(place.attributes, attributes);
      mount('none', place.target, MS_REMOUNT + MS_BIND + bitsOf(all));
    }
  } catch (error) {
    if (isMounted) unmount(target, { lazily: true });
    throw explainMount(`cannot mount ${source} at ${target}`, error, []);
  }
}

function realPath(path: ByteString): ByteString {
  return realpathSync(pathBytes(path), { encoding: 'buffer' }).toString('latin1');
}

/** What a mount has, and what it is to have. */
function withAttributes(words: readonly string[], wanted: MountAttributes): MountAttributes {
  return {
    readOnly: wanted.readOnly || words.includes('ro'),
    noSuid: wanted.noSuid || words.includes('nosuid'),
    noDevices: wanted.noDevices || words.includes('nodev'),
    noExecution: wanted.noExecution || words.includes('noexec'),
  };
}
