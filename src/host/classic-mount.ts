import type { ByteString } from '../tree/index.ts';
import { call, cString } from './libc.ts';
import { explainMount, type MountAttributes } from './mount.ts';

const MS_REMOUNT_BITS = [
  ['readOnly', 1],
  ['noSuid', 2],
  ['noDevices', 4],
  ['noExecution', 8],
] as const;

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
  const flags = MS_REMOUNT_BITS.reduce((sum, [name, bit]) => (attributes[name] ? sum + bit : sum), 0);
  const before = directory === undefined ? undefined : process.cwd();
  // Nothing else of this process runs meanwhile: the call is synchronous.
  if (directory !== undefined) process.chdir(directory);
  try {
    call('mount', target, cString(source), cString(target), cString(type), flags, cString(options));
  } catch (error) {
    throw explainMount(`cannot mount ${type} at ${target}`, error, []);
  } finally {
    if (before !== undefined) process.chdir(before);
  }
}
